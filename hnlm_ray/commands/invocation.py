"""One call of the command line: how its errors and signals end it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from hnlm_ray.base.errors import HnlmError, Terminated
from hnlm_ray.base.text import clean_lines, redacted

CTRL_C: Final = 128 + signal.SIGINT
CLOSED_PIPE: Final = 128 + signal.SIGPIPE
"""Exit code where nobody reads standard output any longer, as of other programs in a pipe."""
_received: list[int] = []
"""Signals that asked this process to end: Ray's own code makes a plain KeyboardInterrupt of what a handler raises."""


@dataclass
class Invocation:
    """What the error report needs to know of the running command."""

    debug: bool = False
    log: str | None = None
    stopped: str = "stopped; the same command goes on where it was"


def current(context: typer.Context) -> Invocation:
    """Return the invocation that a command's context belongs to."""
    invocation = context.find_root().ensure_object(Invocation)
    if not isinstance(invocation, Invocation):
        raise TypeError(invocation)
    return invocation


def unwind_on_signals() -> None:
    """Turn SIGTERM, and SIGHUP of a closed terminal, into :class:`Terminated`; what ``nohup`` ignores stays ignored."""
    _received.clear()
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _terminate)


def open_closed_streams() -> None:
    """Let standard streams that were closed (``>&-``) go nowhere, else the next file that is opened would get them."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    if number == signal.SIGHUP:
        signal.signal(number, signal.SIG_IGN)  # the kernel sends it and the shell does: once is enough
    signal.alarm(0)  # while Ray starts, its library sets one that would abort the process
    _received.append(number)
    raise Terminated(number)


class ReportingGroup(TyperGroup):
    """The root of the commands: turns every way to fail into one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  typer's own signature
        """Run the command."""
        invocation = ctx.ensure_object(Invocation)
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except HnlmError as error:
            _report(f"error: {error}", invocation)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(_stop(invocation)) from error
        except Exception as error:
            if _is_typers_own(error):
                raise
            if isinstance(error, BrokenPipeError):
                raise typer.Exit(_stop_unread(invocation)) from error
            if _received:  # the terminal is gone, and what was to be written on it failed
                raise typer.Exit(_stop(invocation)) from error
            _report(_unexpected(error, invocation), invocation)
            raise typer.Exit(1) from error
        return answer


def _stop(invocation: Invocation) -> int:
    """Say that the command was stopped; returns the exit code."""
    _report(invocation.stopped, invocation)
    return 128 + _received[0] if _received else CTRL_C


def _stop_unread(invocation: Invocation) -> int:
    """End without a word, as nobody reads; returns the exit code."""
    if invocation.log:
        _append(invocation.log, f"standard output was closed: {invocation.stopped}\n")
    _write_nowhere(sys.stdout.fileno())
    return CLOSED_PIPE


def _write_nowhere(descriptor: int) -> None:
    """Let what is left of a stream's buffer go nowhere: at the end of the process it would be another error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _is_typers_own(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in {"typer", "click"}


def _unexpected(error: Exception, invocation: Invocation) -> str:
    text = " ".join(str(error).split())[:300]
    place = f"; the log is at {invocation.log}" if invocation.log else ""
    return f"error: unexpected {type(error).__name__}: {text}; run with --debug for the traceback{place}"


def _report(sentence: str, invocation: Invocation) -> None:
    told = f"{clean_lines(redacted(sentence))}\n"
    if invocation.log:
        _append(invocation.log, f"{redacted(traceback.format_exc())}{told}")
    if invocation.debug:
        told = redacted(traceback.format_exc()) + told
    try:
        sys.stderr.write(told)
        sys.stderr.flush()
    except OSError:  # a terminal that was closed: the log has the sentence
        _write_nowhere(2)


def _append(log: str, text: str) -> None:
    try:
        with open(log, "a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        sys.stderr.write(f"the traceback can't be written to {log} ({error.strerror})\n")
