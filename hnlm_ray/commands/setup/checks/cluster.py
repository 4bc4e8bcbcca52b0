"""Ray: can it be imported, does the cluster that is named listen."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec

from hnlm_ray.cluster.connect import cluster_address
from hnlm_ray.commands.setup.checks.check import Check
from hnlm_ray.config import Config, RayConfig

_CONNECT_S = 3


def cluster_checks(config: Config | None) -> list[Check]:
    """Check Ray without starting it."""
    if find_spec("ray") is None:
        return [Check("ray cluster", "fail", "ray can't be imported", "run `make setup`")]
    address = cluster_address(RayConfig() if config is None else config.ray)
    if address is None:
        return [Check("ray cluster", "ok", "one is started here")]
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "auto")  # Ray looks there first
    return [Check("ray cluster", "ok", "found by Ray itself") if address == "auto" else _reach(address)]


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
