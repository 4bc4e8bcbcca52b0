"""Where a command's answer goes: text or one JSON object; notes go beside it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.text import clean

_PLAIN_WIDTH = 160


@dataclass(frozen=True)
class Output:
    """What ``--json`` and ``--json-out`` ask for."""

    as_json: bool = False
    json_out: str | None = None

    def __post_init__(self) -> None:
        """Refuse a file that can't be written now, not after hours of a run."""
        if self.json_out is not None:
            _check_writable(self.json_out)

    def notes(self) -> Console:
        """Return the console for progress and notes: standard error when the answer is JSON."""
        return open_console(stderr=self.as_json)

    def emit(self, answer: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """Print the answer as text or as JSON, and write the file that was asked for."""
        self.keep(answer)
        if self.as_json:
            sys.stdout.write(f"{_text(answer)}\n")
        else:
            show(open_console())

    def keep(self, answer: Mapping[str, Any]) -> None:
        """Write the file that was asked for, and print nothing."""
        if self.json_out is not None:
            _write(self.json_out, _text(answer))


class _Console(Console):
    """Lets the error of a closed pipe out, where rich's would end the process."""

    def on_broken_pipe(self) -> None:
        """Raise what :meth:`rich.console.Console.on_broken_pipe` is called for."""
        raise  # noqa: PLE0704  it is called while the error is handled


def open_console(*, stderr: bool = False) -> Console:
    """Return a console that interprets no markup; lines are not cut at 80 columns when it is no terminal."""
    console = _Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _PLAIN_WIDTH)
    return console


def _text(answer: Mapping[str, Any]) -> str:
    return json.dumps(answer, indent=1, allow_nan=False)


def _check_writable(path: str) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    if "\0" in path or os.path.isdir(path) or not os.path.isdir(folder):
        raise InputError(f"--json-out {path} is no file in a folder that exists: choose another file")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise InputError(f"--json-out {path} can't be written (Permission denied): choose another file")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(f"{text}\n")
    except OSError as error:
        raise InputError(f"--json-out {path} can't be written ({error.strerror}): choose another file") from error


def say(console: Console, text: str) -> None:
    """Print a line of our own words and of data, uninterpreted and unwrapped."""
    console.print(Text(clean(text)), soft_wrap=True)
