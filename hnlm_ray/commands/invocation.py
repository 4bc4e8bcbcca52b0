"""One call of the command line: how its errors and signals end it."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from hnlm_ray.base.errors import HnlmError
from hnlm_ray.base.redaction import redacted
from hnlm_ray.base.text import clean_lines


class Terminated(KeyboardInterrupt):
    """SIGTERM, unwound like Ctrl-C so that Ray is shut down and the stage is noted as stopped."""


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


def unwind_on_sigterm() -> None:
    """Turn SIGTERM into :class:`Terminated`; called again after Ray, which installs its own handler."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


class ReportingGroup(TyperGroup):
    """The root of the commands: turns every way to fail into one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  typer's own signature
        """Run the command."""
        invocation = ctx.ensure_object(Invocation)
        try:
            return super().invoke(ctx)
        except HnlmError as error:
            _report(f"error: {error}", invocation)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            _report(invocation.stopped, invocation)
            raise typer.Exit(143 if isinstance(error, Terminated) else 130) from error
        except Exception as error:
            if isinstance(error, BrokenPipeError) or _is_typers_own(error):
                raise
            _report(_unexpected(error, invocation), invocation)
            raise typer.Exit(1) from error


def _is_typers_own(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in {"typer", "click"}


def _unexpected(error: Exception, invocation: Invocation) -> str:
    text = " ".join(str(error).split())[:300]
    place = f"; the log is at {invocation.log}" if invocation.log else ""
    return f"error: unexpected {type(error).__name__}: {text}; run with --debug for the traceback{place}"


def _report(sentence: str, invocation: Invocation) -> None:
    if invocation.debug:
        sys.stderr.write(redacted(traceback.format_exc()))
    elif invocation.log:
        _append_traceback(invocation.log)
    sys.stderr.write(f"{clean_lines(redacted(sentence))}\n")


def _append_traceback(log: str) -> None:
    try:
        with open(log, "a", encoding="utf-8") as stream:
            stream.write(redacted(traceback.format_exc()))
    except OSError as error:
        sys.stderr.write(f"the traceback can't be written to {log} ({error.strerror})\n")
