"""The errors a user can meet: typed, one sentence, what is wrong, the value got, what to do.

The command line prints the sentence alone (``--debug`` adds the traceback) and exits with
``exit_code``: 2 for something the user gave, 1 for something that failed.
"""

from __future__ import annotations

import signal
import threading


class HnlmError(Exception):
    """Something failed while the input was fine."""

    exit_code = 1


class InputError(HnlmError):
    """A file, a configuration value or an argument that can't be used as given."""

    exit_code = 2


class ConfigError(InputError):
    """One or more values of a configuration; the message has one line a value."""


class SourceError(InputError):
    """A raw data file that can't be read, or has too many bad lines."""


class ResourceError(HnlmError):
    """A machine or cluster that lacks what a stage needs (CPUs, memory, a reachable Ray)."""


class WorkspaceError(HnlmError):
    """A run's folder that can't be written, or a table that is damaged."""


class StageError(HnlmError):
    """A stage that started and could not finish."""


def kind_of(error: HnlmError) -> str:
    """Return the name of an error's class or, where it is not of this module, of its nearest base that is.

    With its sentence it is what crosses processes of an error; :func:`error_of` makes it again.
    """
    kinds = _kinds()
    return next(kind.__name__ for kind in type(error).__mro__ if kinds.get(kind.__name__) is kind)


def error_of(kind: str, sentence: str) -> HnlmError:
    """Return the error that :func:`kind_of` named."""
    return _kinds()[kind](sentence)


def _kinds() -> dict[str, type[HnlmError]]:
    own = (one for one in globals().values() if isinstance(one, type) and issubclass(one, HnlmError))
    return {one.__name__: one for one in own}


class DivergedError(HnlmError):
    """The loss or an embedding is no longer finite."""


class Terminated(KeyboardInterrupt):
    """A signal asks this process to end: unwound like Ctrl-C, so that Ray is shut down and the stage noted as stopped.

    Parameters
    ----------
    number
        The signal's; the exit code is 128 more.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def interrupt() -> None:
    """Interrupt the main thread, wherever it waits, by a signal that it acts on: in a shell's background not Ctrl-C."""
    acted_on = (number for number in (signal.SIGTERM, signal.SIGINT) if callable(signal.getsignal(number)))
    if (number := next(acted_on, None)) is not None:
        signal.pthread_kill(threading.main_thread().ident or 0, number)
