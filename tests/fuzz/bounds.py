"""One case of hostile input within bounds: a result or a typed error of one sentence, soon and in little memory.

A case is over its bounds after 5 s of CPU time (so that a busy machine decides nothing) or 500 MiB more than before.
"""

import contextlib
import os
import random
import resource
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import hypothesis
from hypothesis import HealthCheck, settings

from hnlm_ray.base.errors import ConfigError, HnlmError

MOST_SECONDS = 5.0
MOST_MIB = 500
MOST_CHARS = 8000  # a path alone may have 4,096
SEED = int(os.environ.get("HNLM_FUZZ_SEED", random.SystemRandom().randrange(2**32)))


class OverBoundsError(BaseException):
    """No Exception, so that nothing in the product takes it for an error of the input."""


@dataclass
class Tally:
    """What the cases of a session cost; ``scale`` multiplies the cases of every test."""

    scale: int = 1
    cases: Counter = field(default_factory=Counter)
    slowest: tuple = (0.0, "no case")
    largest: tuple = (0.0, "no case")

    def note(self, name, seconds, mib):
        self.cases[name] += 1
        self.slowest = max(self.slowest, (seconds, name))
        self.largest = max(self.largest, (mib, name))


TALLY = Tally()


def cases(count):
    """Run a test on ``count`` drawn inputs: always the same in a short run, others each time in a long one."""
    long = TALLY.scale > 1
    chosen = settings(
        max_examples=count * TALLY.scale,
        deadline=None,
        database=None,
        derandomize=not long,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: chosen(hypothesis.seed(SEED)(test)) if long else chosen(test)


def bounded(name, call, *arguments, **options):
    """Return what a call returns, or the error by which it refused its input; any other end fails the test."""
    _forget_peak()
    before, started = _peak_mib(), time.process_time()
    with _stopped_after(MOST_SECONDS):
        try:
            outcome = call(*arguments, **options)
        except HnlmError as error:
            outcome = checked(error)
    seconds, mib = time.process_time() - started, _peak_mib() - before
    TALLY.note(name, seconds, mib)
    assert seconds <= MOST_SECONDS, f"{seconds:.1f} s of CPU time"
    assert mib <= MOST_MIB, f"{mib:.0f} MiB more than before"
    return outcome


def checked(error):
    """Return an error whose text is one line for a reader (of a configuration: a line for each value)."""
    text = str(error)
    assert text.strip()
    assert "Traceback" not in text
    assert len(text) <= MOST_CHARS, f"{len(text)} characters: {text[:200]!r}"
    assert "\n" not in text.strip() or isinstance(error, ConfigError), repr(text)
    return error


def _peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _forget_peak():
    """Let the peak start from what is held now (Linux); elsewhere only a case that sets a new peak is seen."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as control:
        control.write("5")


@contextlib.contextmanager
def _stopped_after(seconds):
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal, _frame):
        raise OverBoundsError(f"more than {seconds} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
