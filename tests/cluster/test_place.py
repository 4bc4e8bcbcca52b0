"""What a Ray needs of the place where it starts: told in one sentence, before it does."""

import os
import resource
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from hnlm_ray.base.errors import ResourceError
from hnlm_ray.cluster import place
from hnlm_ray.cluster.connect import connected
from hnlm_ray.config import Config, RayConfig

Disk = namedtuple("Disk", "f_bavail f_frsize f_favail f_files")  # noqa: PYI024


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty current folder, and a home and temporary files that can be used."""
    for name in ("here", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(place, "free_processes", lambda: None)
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(1 << 20, 1 << 20, 1 << 20, 1 << 21))
    return tmp_path


def names():
    return [lack.name for lack in place.lacking(RayConfig())]


def test_a_usual_place_lacks_nothing(elsewhere):
    assert names() == []
    place.require_place(RayConfig())


def test_ray_s_own_rule_says_where_temporary_files_lie(monkeypatch):
    from ray._common.utils import get_default_system_temp_dir

    for given in ({"RAY_TMPDIR": "/a", "TMPDIR": "/b"}, {"TMPDIR": "/b"}, {}):
        for name in ("RAY_TMPDIR", "TMPDIR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        assert place.temporary_folder() == get_default_system_temp_dir()


def test_the_name_of_the_temporary_folder_leaves_room_for_ray_s_sockets(elsewhere, monkeypatch):
    from ray._private.utils import validate_socket_filepath

    longest = "/" + "x" * 38
    assert place.long_path(longest) is None
    validate_socket_filepath(f"{longest}/{place._SOCKET}")
    too_long = longest + "x"
    with pytest.raises(OSError, match="AF_UNIX"):
        validate_socket_filepath(f"{too_long}/{place._SOCKET}")
    monkeypatch.setenv("RAY_TMPDIR", too_long)
    with pytest.raises(ResourceError, match=r"has a name of 40 bytes, and Ray's sockets leave room for 39: set RAY_"):
        place.require_place(RayConfig())
    assert place.long_path("/" + "ü" * 20).name == "temporary files"


def test_a_full_temporary_folder(monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(20, 1 << 20, 1 << 20, 1 << 21))
    assert "/tmp has 20 MiB free and Ray needs 64 MiB there" in place.full_folder("/tmp", 64).found
    assert place.full_folder("/tmp", 20) is None
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(1 << 20, 1 << 20, 3, 1000))
    assert "has room for 3 files" in place.full_folder("/tmp", 64).found
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(1 << 20, 1 << 20, 0, 0))
    assert place.full_folder("/tmp", 64) is None, "a file system that counts none"


def test_where_shared_memory_is_small_objects_lie_among_the_temporary_files(elsewhere, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda path: Disk(1 if path == "/dev/shm" else 300, 1 << 20, 1 << 20, 1 << 21))
    assert place._least_temporary(200) == 264
    assert names() == ["temporary files"]
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(300, 1 << 20, 1 << 20, 1 << 21))
    assert place._least_temporary(200) == 64


def test_no_shared_memory_or_none_that_is_large_enough(tmp_path, monkeypatch):
    assert "there is no" in place.shared_memory(str(tmp_path / "shm"), 512).found
    assert "--shm-size" in place.shared_memory(str(tmp_path / "shm"), 512).remedy
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "can't be written" in place.shared_memory(str(tmp_path), 512).found
    monkeypatch.undo()
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(300, 1 << 20, 1 << 20, 1 << 21))
    assert place.shared_memory(str(tmp_path), 512) is None
    assert "ray.object_store_mib is 20000" in place.shared_memory(str(tmp_path), 20_000).found


def test_a_temporary_folder_of_another_user(tmp_path, monkeypatch):
    assert place.unwritable_folder(str(tmp_path)) is None
    assert place.unwritable_folder(str(tmp_path / "to" / "come")) is None
    (tmp_path / "ray").touch()
    assert str(tmp_path / "ray") in place.unwritable_folder(str(tmp_path)).found
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "set RAY_TMPDIR" in place.unwritable_folder(str(tmp_path / "new")).remedy


def test_a_home_that_can_t_keep_a_token(elsewhere, monkeypatch):
    home = elsewhere / "home"
    assert place.token_folder() is None
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK and os.path.isfile(path))
    assert f"{home}/.ray can't be written" in place.token_folder().found
    assert "RAY_AUTH_TOKEN" in place.token_folder().remedy
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").touch()
    assert place.token_folder() is None, "there is one"
    (home / ".ray" / "auth_token").unlink()
    for name, value in (("RAY_AUTH_TOKEN", "t"), ("RAY_AUTH_TOKEN_PATH", "/t"), ("RAY_AUTH_MODE", "disabled")):
        monkeypatch.setenv(name, value)
        assert place.token_folder() is None
        monkeypatch.delenv(name)


def test_a_user_without_a_home(elsewhere, monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    assert "no home folder" in place.token_folder().found


@pytest.mark.parametrize(("free", "lacks"), [(None, False), (512, False), (511, True), (0, True)])
def test_few_processes(free, lacks):
    found = place.few_processes(free)
    assert (found is not None) == lacks
    assert not lacks or f"only {free} more processes" in found.found


def test_the_user_s_limit_counts_threads_and_not_root_s(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    of = lambda user, threads: SimpleNamespace(uids=lambda: SimpleNamespace(real=user), num_threads=lambda: threads)  # noqa: E731
    monkeypatch.setattr(place.psutil, "process_iter", lambda: [of(7, 30), of(7, 5), of(8, 1000)])
    monkeypatch.setattr(os, "getuid", lambda: 7)
    assert place._user_limit() == 65
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert place._user_limit() is None
    monkeypatch.setattr(os, "getuid", lambda: 7)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert place._user_limit() is None


def test_control_groups_of_both_kinds_and_those_around_them(tmp_path, monkeypatch):
    def group(path, most, now):
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
        (tmp_path / path / "pids.max").write_text(f"{most}\n")
        (tmp_path / path / "pids.current").write_text(f"{now}\n")

    group("slice", 300, 100)
    group("slice/job", "max", 10)
    group("pids/slice", 90, 20)
    lines = "9:pids:/slice\n4:memory:/slice\n0::/slice/job\n"
    monkeypatch.setattr(Path, "read_text", _instead(Path.read_text, "/proc/self/cgroup", lines))
    assert sorted(place._group_limits(str(tmp_path))) == [70, 200]


def _instead(read, path, text):
    return lambda self, **options: text if str(self) == path else read(self, **options)


@pytest.mark.parametrize("file", ["random.py", "types.py", "numpy.py", "ray.py", "torch.py", "queue/__init__.py"])
def test_a_file_that_hides_a_module_is_named(elsewhere, file):
    path = elsewhere / "here" / file
    path.parent.mkdir(exist_ok=True)
    path.touch()
    shown = file.removesuffix("__init__.py")
    with pytest.raises(ResourceError, match=rf"^\./{shown} hides the module {shown.rstrip('/').removesuffix('.py')} "):
        place.require_place(RayConfig())
    with pytest.raises(ResourceError, match="rename it"):
        place.require_folder()


@pytest.mark.parametrize(
    "file", ["shop.py", "test.py", "sys.py", "numpy.csv", "numpy/data.csv", "numpy.py/x", "conftest.py"]
)
def test_other_files_hide_nothing_that_is_needed(elsewhere, file):
    path = elsewhere / "here" / file
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert names() == []


def test_a_module_is_not_hidden_by_itself(monkeypatch, elsewhere, repository):
    monkeypatch.chdir(repository)
    assert place.shadowed_module(str(repository), ["", str(repository), *sys.path]) is None


def test_a_place_without_room_is_refused_before_ray_starts(elsewhere, monkeypatch):
    (elsewhere / "here" / "numpy.py").touch()
    monkeypatch.setattr("ray.init", lambda **_: pytest.fail("Ray was started"))
    config = Config.model_validate({"name": "x", "workspace": "/nowhere", "source": {"format": "movielens_100k"}})
    with pytest.raises(ResourceError, match=r"\./numpy\.py hides"), connected(config, []):
        pass
    there = config.model_copy(update={"ray": RayConfig(address="auto")})
    with pytest.raises(ResourceError, match=r"\./numpy\.py hides"), connected(there, []):
        pass
