"""Starts a local Ray or joins a running one, and checks resources before anything could wait for them."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from hnlm_ray.base.errors import InputError, ResourceError
from hnlm_ray.base.outside import runtime_environment
from hnlm_ray.cluster.place import require_folder, require_place
from hnlm_ray.cluster.reaper import TOKEN_VARIABLE, start_reaper
from hnlm_ray.cluster.watch import watch_ray
from hnlm_ray.config import Config, RayConfig
from hnlm_ray.workspace.stage import Bundle, Stage

log = logging.getLogger(__name__)
_ADDRESS = "RAY_ADDRESS"
_LEAST_CPUS = 8
_CONNECT_TIMEOUT_S = 5.0
_OTHER_TASKS_CPUS = 1.5
"""Ray CPUs for the tasks that feed and drain a stage's actors."""

_LARGER = "join a larger cluster or wait for it to grow (ray.wait_for_nodes_s), or lower"
_LOWER = {
    "CPU": "llm.cpus_per_engine, llm.engines, finetune.workers, finetune.cpus_per_worker or tune.cpus_per_trial",
    "GPU": "llm.gpus_per_engine, llm.engines, finetune.workers, finetune.gpus_per_worker or tune.gpus_per_trial",
}

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_TRAIN_ENABLE_V2": "1",
    "RAY_worker_niceness": "0",  # else an engine yields to everything else on the machine
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",  # else a thread that outlives a stopped run starts another Ray
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # a search's snapshots: nobody reads them, the rows are what is kept
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # else Ctrl-C ends a search as if it were complete
    "TOKENIZERS_PARALLELISM": "false",
}
_BLAS_THREADS = "OPENBLAS_NUM_THREADS"
"""NumPy's and SciPy's threads, read when a process first loads them. Without it they are as many as the CPUs of the
task that happened to come first to a worker, and sums differ in their last digits from run to run."""


@contextlib.contextmanager
def connected(config: Config, stages: Sequence[Stage]) -> Iterator[None]:
    """Be connected to a Ray that can run these stages.

    Raises
    ------
    ResourceError
        When nothing answers at the address, CPUs or GPUs are too few for a stage, this is no place for a Ray, or it
        ended before the work did.
    InputError
        When the address is none.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in _environment(config).items()})
    address = cluster_address(config.ray)
    if address is None:
        require("this machine's Ray (ray.cpus)", [_this_machine(config, stages)], config, stages)
        require_place(config.ray)
        _start_local(config.ray)
    else:
        require_folder()
        _join(address)
    import ray

    watch = watch_ray(local=address is None)
    try:
        with watch:
            if address is not None:
                _wait_for_resources(config, stages)
            _quiet_ray_data()
            yield
    finally:
        ray.shutdown()
        watch.close()


def _environment(config: Config) -> dict[str, str]:
    """Return what the processes of a run find in their environment, unless it is set already."""
    return {**_ENVIRONMENT, _BLAS_THREADS: str(max(1, int(config.tune.cpus_per_trial)))}


def cluster_address(config: RayConfig) -> str | None:
    """Return the address to join; None to start a Ray here. Inside a Ray job it is the job's cluster.

    Elsewhere RAY_ADDRESS does not override 'local': people set it for ``ray job submit``.
    """
    if config.address == "local":
        return os.environ.get(_ADDRESS) if _in_a_job() else None
    return config.address


def _in_a_job() -> bool:
    """Tell whether Ray's job supervisor started this process: it alone sets that variable, beside RAY_ADDRESS."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def address_origin(address: str) -> str:
    """Say where an address comes from: the setting, or the variable that decided."""
    given = os.environ.get(_ADDRESS)
    if given and _in_a_job() and address == given:
        return f"{_ADDRESS} '{address}' of this Ray job"
    if given and address == "auto":
        return f"ray.address 'auto', where {_ADDRESS} is '{given}'"
    return f"ray.address '{address}'"


def _this_machine(config: Config, stages: Sequence[Stage]) -> Bundle:
    """Return what a local Ray will have; GPUs as torch counts them, asked for only where a stage wants one."""
    if not any(needs(stage.bundles(config))["GPU"] for stage in stages):
        return {"CPU": _local_cpus(config.ray), "GPU": 0}
    import torch

    return {"CPU": _local_cpus(config.ray), "GPU": torch.cuda.device_count()}


def _local_cpus(config: RayConfig) -> float:
    # Logical CPUs: an engine's reservation and the small tasks around it exceed two cores, while
    # together they keep few cores busy; with fewer, Ray Data would wait for ever.
    return config.cpus or max(_LEAST_CPUS, os.cpu_count() or 1)


def require(
    where: str, nodes: Sequence[Bundle], config: Config, stages: Sequence[Stage], *, joined: bool = False
) -> None:
    """Check that each stage fits into what the nodes have, in all and each bundle on one of them.

    Parameters
    ----------
    joined
        The nodes are of a Ray that somebody else started: its size is no setting of a run.

    Raises
    ------
    ResourceError
        Naming the stage that does not fit, and the setting to change.
    """
    for stage in stages:
        bundles = stage.bundles(config)
        for kind, need in needs(bundles).items():
            have = sum(node.get(kind, 0) for node in nodes)
            if need > have:
                remedy = _remedy(kind, need, joined=joined)
                raise ResourceError(f"stage {stage.name} needs {need:g} {kind}s and {where} has {have:g}: {remedy}")
        for bundle in bundles:
            if not any(all(node.get(kind, 0) >= amount for kind, amount in bundle.items()) for node in nodes):
                wanted = " and ".join(f"{amount:g} {kind}s" for kind, amount in bundle.items() if amount)
                lacking = "GPU" if bundle.get("GPU") else "CPU"
                remedy = _remedy(lacking, bundle[lacking], joined=joined)
                raise ResourceError(f"stage {stage.name} needs {wanted} on one node and no node has that: {remedy}")


def _remedy(kind: str, need: float, *, joined: bool) -> str:
    """Say what makes room: a joined Ray has as many CPUs as its nodes were started with, be they logical ones."""
    more = f"start a node with `ray start --num-cpus {math.ceil(need)}` or more (logical CPUs will do)"
    first = {True: more, False: "raise ray.cpus"}[joined] + ", " if kind == "CPU" else ""
    return f"{first}{_LARGER} {_LOWER[kind]}"


def needs(bundles: Sequence[Bundle]) -> Bundle:
    """Return the Ray CPUs and GPUs without which a stage with these bundles could not go on."""
    cpus, gpus = (sum(bundle.get(kind, 0) for bundle in bundles) for kind in ("CPU", "GPU"))
    return {"CPU": cpus + _OTHER_TASKS_CPUS, "GPU": gpus}


def _start_local(config: RayConfig) -> None:
    import ray

    token = uuid.uuid4().hex
    os.environ[TOKEN_VARIABLE] = token
    start_reaper(token)
    with _own_signals():
        ray.init(
            address="local",
            num_cpus=int(_local_cpus(config)),
            include_dashboard=False,
            object_store_memory=config.object_store_mib * 2**20,
            logging_level=logging.WARNING,
            log_to_driver=True,
        )


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what this process does at SIGTERM, and SIGHUP away from what is started.

    Ray's start puts a handler in place that ends the process without a word, and its library below Python another one,
    which aborts it after three seconds. Its processes belong to the terminal's group: when that closes, they would end
    before this one can.
    """
    from ray._private import utils

    theirs, own = utils.set_sigterm_handler, signal.getsignal(signal.SIGTERM)
    utils.set_sigterm_handler = lambda _: None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        utils.set_sigterm_handler = theirs
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, own)


def _join(address: str) -> None:
    import ray

    if address != "auto":
        _check_reachable(address)
    try:
        with _own_signals():
            ray.init(address=address, logging_level=logging.WARNING, log_to_driver=True, **_own_classes())
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ResourceError(_why_not_joined(address, error)) from error


def _own_classes() -> dict[str, Any]:
    """Return what brings classes of the user's own to a cluster's workers; a Ray job has its own environment."""
    environment = {} if _in_a_job() else runtime_environment()
    return {"runtime_env": environment} if environment else {}


def _why_not_joined(address: str, error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if "AuthenticationError" in f"{type(cause).__name__} {cause}":
            return (
                f"the Ray at {address_origin(address)} refuses this process's token: "
                "put the cluster's into RAY_AUTH_TOKEN or ~/.ray/auth_token"
            )
        cause = cause.__cause__ or cause.__context__
    return f"no Ray answers at {address_origin(address)}: start one (`ray start --head`), or use 'local'"


def _check_reachable(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"{address_origin(address)} is no address: use 'local', 'auto' or host:port")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT_S):
            return
    except (OSError, OverflowError) as error:
        raise ResourceError(
            f"no Ray answers at {address_origin(address)}: start one (`ray start --head`), or use 'local'"
        ) from error


def _wait_for_resources(config: Config, stages: Sequence[Stage]) -> None:
    """Give an autoscaler ``ray.wait_for_nodes_s`` seconds to add what the stages need."""
    import ray
    from ray.autoscaler.sdk import request_resources

    deadline = time.monotonic() + config.ray.wait_for_nodes_s
    largest = max((stage.bundles(config) for stage in stages), key=lambda bundles: needs(bundles)["CPU"], default=[])
    if config.ray.wait_for_nodes_s:
        request_resources(bundles=[{kind: amount for kind, amount in one.items() if amount} for one in largest])
    while True:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        try:
            require("the cluster", nodes, config, stages, joined=True)
        except ResourceError:
            if time.monotonic() > deadline:
                raise
            time.sleep(2)
        else:
            return


def _quiet_ray_data() -> None:
    import ray

    context: Any = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.issue_detectors_config.detectors = []
