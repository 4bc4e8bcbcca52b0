"""Starts `hnlm` in a process group of its own, kills it, and looks for what it leaves behind."""

import os
import signal
import subprocess
import sys
import time
import uuid

import psutil

MARK = "HNLM_TEST_MARK"
HNLM = [sys.executable, "-m", "hnlm_ray.cli"]


class KilledRun:
    """One command of the user, to be started again and again."""

    def __init__(self, *arguments, environment=()):
        self.arguments, self.environment = [*HNLM, *map(str, arguments)], dict(environment)
        self.mark = uuid.uuid4().hex

    def start(self):
        """Start the command as the leader of a process group."""
        environment = {**os.environ, **self.environment, MARK: self.mark}
        return subprocess.Popen(
            self.arguments,
            env=environment,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, timeout):
        """Run the command to its end; returns its output."""
        process = self.start()
        output, _ = process.communicate(timeout=timeout)
        assert process.returncode == 0, output
        return output

    def kill(self, process):
        """`kill -9` the whole process group."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()

    def alive(self):
        """Return what still runs of all processes that the command ever started."""
        return [name for name in map(self._name, psutil.process_iter()) if name]

    def _name(self, process):
        try:
            mine = process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE
            return f"{process.pid} {' '.join(process.cmdline())[:80]}" if mine else None
        except (psutil.Error, OSError):
            return None

    def wait_until_gone(self, timeout=30):
        """Wait until nothing of the command runs; returns what is left after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.5)
        return self.alive()
