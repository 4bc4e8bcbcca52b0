"""The Ray that the tests of a process share: to start and stop one takes as long as what most of them do with it."""

import contextlib
from types import SimpleNamespace

from hnlm_ray.cluster import connect as cluster
from hnlm_ray.config import RayConfig, TuneConfig

CPUS = 16
"""Logical ones; as many as any test asks for."""
_KEPT = contextlib.ExitStack()


@contextlib.contextmanager
def connected(config, stages):
    """Stand in for `hnlm_ray.cluster.connect.connected`: the same check, then the Ray that is there, or the first."""
    here = {"CPU": cluster._local_cpus(config.ray), "GPU": 0}
    cluster.require("this machine's Ray (ray.cpus)", [here], config, stages)
    start()
    yield


def start():
    """Start the Ray of this process, unless it runs."""
    import ray

    if not ray.is_initialized():
        _KEPT.enter_context(cluster.connected(SimpleNamespace(ray=RayConfig(cpus=CPUS), tune=TuneConfig()), []))


def stop():
    """Stop it: at the end, and where the next one shall know another environment."""
    _KEPT.close()
