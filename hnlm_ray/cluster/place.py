"""What a Ray needs of the place where it starts: each function tells what lacks there and what to do, or nothing.

Ray itself hangs, or ends without a sentence, where one of these lacks. ``hnlm doctor`` tells the same ones.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import FrozenImporter, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Final

import psutil
from packaging.requirements import Requirement

from hnlm_ray.base.errors import ResourceError
from hnlm_ray.config import RayConfig

MIB: Final = 1 << 20
LEAST_TEMPORARY_MIB: Final = 64
"""For Ray's logs and sockets and Ray Tune's records."""
LEAST_FILES: Final = 2000
"""Free entries of the file system of temporary files."""
LEAST_PROCESSES: Final = 512
"""Processes and threads: a Ray with 8 CPUs that trains on two cores was seen to have 441."""
_SOCKET: Final = "ray/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store"
"""The longest path of a socket below the folder of temporary files, by its form."""
_LONGEST_SOCKET_BYTES: Final = 107 if sys.platform.startswith("linux") else 103
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  looked at, not written
_SLOW_STORE_BYTES: Final = 10**10
"""Above it Ray refuses an object store that is not in shared memory."""
_CGROUPS: Final = "/sys/fs/cgroup"
_OURS: Final = __name__.partition(".")[0]
_OF_NOBODY: Final = frozenset({"test", "this", "antigravity", "turtle", "turtledemo", "idlelib"})
"""Python's own modules that no program imports: ``test.py`` is a usual name."""


@dataclass(frozen=True)
class Lack:
    """What lacks, and what to do."""

    name: str
    found: str
    remedy: str


def require_place(config: RayConfig) -> None:
    """Check that a Ray can start here.

    Raises
    ------
    ResourceError
        With the first thing that lacks, and what to do.
    """
    refuse(next(lacking(config), None))


def require_folder() -> None:
    """Check that the current folder hides no module, also where a Ray runs already.

    Raises
    ------
    ResourceError
        With the file's name.
    """
    refuse(shadowed_module(os.getcwd(), sys.path))


def refuse(lack: Lack | None) -> None:
    """Raise ResourceError with what lacks and what to do, if something does."""
    if lack is not None:
        raise ResourceError(f"{lack.found}: {lack.remedy}")


def lacking(config: RayConfig) -> Iterator[Lack]:
    """Return what a Ray lacks that starts here."""
    folder = temporary_folder()
    found = (
        shadowed_module(os.getcwd(), sys.path),
        long_path(folder),
        unwritable_folder(folder) or full_folder(folder, _least_temporary(config.object_store_mib)),
        shared_memory(_SHARED_MEMORY, config.object_store_mib),
        token_folder(),
        few_processes(free_processes()),
    )
    return (lack for lack in found if lack is not None)


def temporary_folder() -> str:
    """Return where Ray keeps its sockets and logs, by its own rule."""
    if "RAY_TMPDIR" in os.environ:
        return os.environ["RAY_TMPDIR"]
    return os.environ.get("TMPDIR", "/tmp") if sys.platform.startswith("linux") else "/tmp"  # noqa: S108  Ray's own


def long_path(folder: str) -> Lack | None:
    """Tell whether sockets below a folder would have paths that are too long."""
    path = os.path.join(folder, _SOCKET)
    most = _LONGEST_SOCKET_BYTES - len(os.fsencode(path)) + len(os.fsencode(folder))
    if len(os.fsencode(folder)) <= most:
        return None
    return Lack(
        "temporary files",
        f"the folder of temporary files {folder} has a name of {len(os.fsencode(folder))} bytes, and Ray's sockets "
        f"leave room for {most}",
        "set RAY_TMPDIR to a shorter one, such as /tmp",
    )


def unwritable_folder(folder: str) -> Lack | None:
    """Tell whether Ray can't write its folder among the temporary files, or make it."""
    place = _there(os.path.join(os.path.abspath(folder), "ray"))
    if os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK):
        return None
    return Lack(
        "temporary files",
        f"{place} can't be written, and Ray keeps its sockets and logs there",
        "set RAY_TMPDIR and TMPDIR to a folder of your own",
    )


def full_folder(folder: str, least_mib: int, least_files: int = LEAST_FILES) -> Lack | None:
    """Tell whether the temporary files have too little room: MiB, or entries of their file system."""
    place = _there(os.path.abspath(folder))
    disk = os.statvfs(place)
    remedy = "free some space, or set RAY_TMPDIR and TMPDIR to a larger disk"
    free = disk.f_bavail * disk.f_frsize // MIB
    if free < least_mib:
        return Lack("temporary files", f"{place} has {free} MiB free and Ray needs {least_mib} MiB there", remedy)
    if disk.f_favail < least_files and disk.f_files:
        return Lack(
            "temporary files", f"{place} has room for {disk.f_favail} files and Ray needs {least_files}", remedy
        )
    return None


def _least_temporary(object_store_mib: int) -> int:
    """Return the MiB that Ray needs among the temporary files; its objects lie there where shared memory is small."""
    return LEAST_TEMPORARY_MIB + (object_store_mib if 0 <= _free_mib(_SHARED_MEMORY) < object_store_mib else 0)


def shared_memory(folder: str, object_store_mib: int) -> Lack | None:
    """Tell whether there is no shared memory, or too little of it for a large object store."""
    if not sys.platform.startswith("linux"):
        return None
    remedy = "mount it (`mount -t tmpfs tmpfs /dev/shm`), or start the container with --shm-size=2g"
    if not os.path.isdir(folder):
        return Lack("shared memory", f"there is no {folder}, where Ray keeps its objects", remedy)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Lack("shared memory", f"{folder} can't be written, where Ray keeps its objects", remedy)
    free = _free_mib(folder)
    if free < object_store_mib and object_store_mib * MIB > _SLOW_STORE_BYTES:
        found = f"{folder} has {free} MiB free and ray.object_store_mib is {object_store_mib}"
        return Lack("shared memory", found, f"lower ray.object_store_mib, or {remedy}")
    return None


def _free_mib(folder: str) -> int:
    """Return the free MiB of a folder's file system; -1 where there is no such folder."""
    if not os.path.isdir(folder):
        return -1
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize // MIB


def token_folder() -> Lack | None:
    """Tell whether Ray, which starts with a token, has none and can't keep a new one in the home folder."""
    given = os.environ.get("RAY_AUTH_MODE", "token").lower() != "token" or os.environ.get("RAY_AUTH_TOKEN")
    if given or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return None
    try:
        path = Path.home() / ".ray" / "auth_token"
    except RuntimeError:
        return _no_home("this user has no home folder")
    if os.access(path, os.R_OK) or os.access(_there(str(path.parent)), os.W_OK | os.X_OK):
        return None
    return _no_home(f"{path.parent} can't be written")


def _no_home(found: str) -> Lack:
    return Lack(
        "home folder",
        f"{found}, and Ray keeps the token of its processes there",
        "set HOME to a folder that can be written, or RAY_AUTH_TOKEN to a long random text",
    )


def few_processes(free: int | None) -> Lack | None:
    """Tell whether so many more processes and threads are too few; None: as many as wanted."""
    if free is None or free >= LEAST_PROCESSES:
        return None
    return Lack(
        "processes",
        f"only {free} more processes and threads may start here and Ray needs {LEAST_PROCESSES}",
        "raise `ulimit -u`, or the container's --pids-limit",
    )


def free_processes() -> int | None:
    """Return how many more processes and threads may start, by the user's limit and the control groups'."""
    limits = [limit for limit in (_user_limit(), *_group_limits(_CGROUPS)) if limit is not None]
    return max(0, min(limits)) if limits else None


def _user_limit() -> int | None:
    most, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if os.getuid() == 0 or most == resource.RLIM_INFINITY:
        return None
    return most - sum(_threads(process) for process in psutil.process_iter())


def _threads(process: psutil.Process) -> int:
    try:
        return process.num_threads() if process.uids().real == os.getuid() else 0
    except psutil.Error:
        return 0


def _group_limits(root: str) -> Iterator[int]:
    """Return what the control groups of this process leave, of the old kind (``pids``) or the new one."""
    for folder in _groups(root):
        most, now = _number(f"{folder}/pids.max"), _number(f"{folder}/pids.current")
        if most is not None and now is not None:
            yield most - now


def _groups(root: str) -> Iterator[str]:
    """Return the folders of this process's control groups, and of those around them."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds not in {"", "pids"}:
            continue
        own = Path(path.lstrip("/"))
        for one in (own, *own.parents):  # in a container the path may be that outside: the files stand at the root then
            yield f"{root}/pids/{one}" if kinds else f"{root}/{one}"


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max" is no number
        return None


def shadowed_module(folder: str, path: Sequence[str]) -> Lack | None:
    """Tell whether a file in the current folder hides a module that Ray's processes import: they look there first.

    Parameters
    ----------
    path
        Where modules are looked for; entries that are the folder itself don't count.
    """
    real = os.path.realpath(folder)
    others = [one for one in path if os.path.realpath(one or os.curdir) != real]
    for name, file in sorted(_modules_in(folder)):
        elsewhere = _is_elsewhere(name, _source(folder, file), others)
        if _is_python_s(name) or (elsewhere and _is_needed(name)):
            return Lack(
                "current folder",
                f"./{file} hides the module {name} from Ray's processes, which look into the current folder first",
                "rename it, or start in another folder",
            )
    return None


def _modules_in(folder: str) -> Iterator[tuple[str, str]]:
    """Return the names of the modules that a folder holds, and their files."""
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, ending = os.path.splitext(entry.name)
            if ending == ".py" and entry.is_file():
                yield stem, entry.name
            elif not ending and os.path.isfile(os.path.join(entry.path, "__init__.py")):
                yield entry.name, f"{entry.name}/"


def _is_python_s(name: str) -> bool:
    """Tell whether a module is one of Python's own that a file can hide: some are in the interpreter itself."""
    inside = name in sys.builtin_module_names or FrozenImporter.find_spec(name) is not None
    return name in sys.stdlib_module_names and not inside and name not in _OF_NOBODY


def _is_elsewhere(name: str, file: str, path: Sequence[str]) -> bool:
    spec = PathFinder.find_spec(name, path)
    return spec is not None and spec.origin is not None and not os.path.samefile(spec.origin, file)


def _source(folder: str, file: str) -> str:
    path = os.path.join(folder, file)
    return os.path.join(path, "__init__.py") if file.endswith("/") else path


def _is_needed(name: str) -> bool:
    """Tell whether a module is loaded here, or is of a package that this one asks for.

    This package itself is none: a job brings it along in its folder, so that it comes before one that is installed.
    """
    if name == _OURS:
        return False
    if name in sys.modules:
        return True
    try:
        asked = {Requirement(line).name.lower().replace("_", "-") for line in requires(_OURS) or ()}
    except PackageNotFoundError:
        return True
    given = packages_distributions().get(name, ())
    return any(one.lower().replace("_", "-") in asked for one in given)


def _there(path: str) -> str:
    """Return a path, or the nearest folder above it that is there."""
    while not os.path.exists(path):
        path = os.path.dirname(path) or os.curdir
    return path
