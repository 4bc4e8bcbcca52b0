"""A stage over many items on a Ray of two nodes, whose driver, engines and second node are killed."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter

import psutil
from killed_run import MARK, KilledRun

from hnlm_ray.workspace import Workspace

NOTES_ROWS = os.path.join(os.path.dirname(__file__), "asked_rows")
RAY = [os.path.join(os.path.dirname(sys.executable), "ray")]
NODE = ["--num-cpus=4", "--object-store-memory=100000000", "--min-worker-port=0", "--max-worker-port=0"]
ITEMS_PER_USER = 20
CONFIG = """
name: items
workspace: {root}/ws
source:
  format: table
  interactions: {{path: {root}/interactions.csv, columns: {{user: user, item: item}}}}
  items: {{path: {root}/items.csv, columns: {{item: item, title: title}}}}
prepare: {{user_core: 1, item_core: 1, buckets: 4}}
llm: {{engine: scripted}}
"""


def write_items(root, count):
    """Write so many items, each with one interaction; returns the preset."""
    (root / "items.csv").write_text("item,title\n" + "".join(f"i{n},The {n}th Title\n" for n in range(count)))
    pairs = (f"u{n // ITEMS_PER_USER},i{n}\n" for n in range(count))
    (root / "interactions.csv").write_text("user,item\n" + "".join(pairs))
    preset = root / "items.yaml"
    preset.write_text(CONFIG.format(root=root))
    return preset


def stage(name, preset, environment=(), **settings):
    """Return a command; a setting's name has __ for its dots."""
    sets = [part for key, value in settings.items() for part in ("--set", f"{key.replace('__', '.')}={value}")]
    return KilledRun("stage", name, "--config", preset, *sets, environment=environment)


def profiles(root):
    """Return the manifest of the item profiles and their rows; no item is there twice."""
    table = Workspace.open(str(root / "ws")).table("item_profiles")
    rows = table.read().to_pylist()
    assert len({row["item"] for row in rows}) == len(rows)
    return table.manifest(), rows


def files_of(root, pattern):
    """Return the parts or markers of item profiles that are not published yet."""
    return list((root / "ws" / "tables" / "item_profiles").glob(f"*/{pattern}"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class TwoNodes:
    """A Ray of two nodes with a token; every process of it notes the rows that it asks an engine for."""

    def __init__(self, root):
        self._asked, self._log, self._mark = root / "asked.txt", root / "ray.log", uuid.uuid4().hex
        self._scratch = tempfile.mkdtemp(prefix="ray-")  # sockets need a short path; no other Ray is to find this one
        self.address = f"127.0.0.1:{free_port()}"
        self.environment = {
            "HNLM_TEST_ASKED": str(self._asked),
            "PYTHONPATH": os.pathsep.join(filter(None, (NOTES_ROWS, os.environ.get("PYTHONPATH")))),
            "RAY_TMPDIR": self._scratch,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": uuid.uuid4().hex,
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    def __enter__(self):
        port = self.address.rpartition(":")[2]
        self._first = self._started("--head", f"--port={port}", "--include-dashboard=false")
        self.add_second_node()
        return self

    def add_second_node(self):
        """Let the cluster have two nodes."""
        self._second = self._started(f"--address={self.address}")

    def _started(self, *options):
        """Start a node; Ray gives its start 30 s, which a busy machine may not keep."""
        for _ in range(5):
            node = self._start(options)
            wait_for(120, "a node started", lambda node=node: "Ray runtime started" in self._told() or node.poll())
            if node.poll() is None:
                return node
        raise AssertionError(self._told())

    def _start(self, options):
        command = [*RAY, "start", "--block", *NODE, *options, f"--dashboard-agent-listen-port={free_port()}"]
        environment = {**os.environ, **self.environment, MARK: self._mark}
        with open(self._log, "w") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def _told(self):
        return self._log.read_text()

    def _raylet(self, node):
        found = [one for one in self.alive("raylet") if os.getpgid(one.pid) == node.pid]
        return found[0] if found else None

    def kill_second_node(self):
        """Kill the raylet of the second node: what else ran on it ends of itself."""
        self._raylet(self._second).kill()
        self._second.wait(timeout=60)

    def engines(self):
        """Return the processes of the engine actors."""
        return self.alive("ray::MapWorker(MapBatches(EngineWorker))")

    def alive(self, name=""):
        """Return the processes of the cluster whose program's name begins so."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                program = os.path.basename((process.cmdline() or [""])[0])
                if program.startswith(name) and process.environ().get(MARK) == self._mark:
                    found.append(process)
        return found

    def asked(self):
        """Return how often each row was asked."""
        return Counter(self._asked.read_text().split()) if self._asked.exists() else Counter()

    def __exit__(self, *_):
        for process in self.alive():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for node in (self._first, self._second):
            node.wait(timeout=30)
        shutil.rmtree(self._scratch, ignore_errors=True)


def wait_for(seconds, what, happens):
    """Wait until something happens."""
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, f"in {seconds} s not {what}"
        time.sleep(0.2)
