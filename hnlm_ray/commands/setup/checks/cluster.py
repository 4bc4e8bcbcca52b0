"""Ray: can it be imported and start here, does the cluster that is named listen."""

from __future__ import annotations

import os
import socket
import sys
from importlib.util import find_spec

from hnlm_ray.cluster.connect import cluster_address
from hnlm_ray.cluster.place import Lack, lacking, shadowed_module
from hnlm_ray.commands.setup.checks.check import Check
from hnlm_ray.config import Config, RayConfig

_CONNECT_S = 3


def cluster_checks(config: Config | None) -> list[Check]:
    """Check Ray without starting it."""
    if find_spec("ray") is None:
        return [Check("ray cluster", "fail", "ray can't be imported", "run `make setup`")]
    settings = RayConfig() if config is None else config.ray
    address = cluster_address(settings)
    if address is None:
        return [_lack(lack) for lack in lacking(settings)] or [Check("ray cluster", "ok", "one is started here")]
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "auto")  # Ray looks there first
    hidden = shadowed_module(os.getcwd(), sys.path)
    found = Check("ray cluster", "ok", "found by Ray itself") if address == "auto" else _reach(address)
    return [found, *([_lack(hidden)] if hidden else [])]


def _lack(lack: Lack) -> Check:
    return Check(lack.name, "fail", lack.found, lack.remedy)


def _reach(address: str) -> Check:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    remedy = "start it (`ray up cluster.yaml`), mend --set ray.address=HOST:PORT, or use --set ray.address=local"
    if not host or not port.isdigit():
        return Check("ray cluster", "fail", f"address '{address}' is no HOST:PORT", remedy)
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        return Check("ray cluster", "fail", f"nobody answers at {address} ({error})", remedy)
    return Check("ray cluster", "ok", f"{address} answers")
