"""The questions of ``hnlm init``: who answers them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import typer

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.text import clean
from hnlm_ray.discover.files.question import Question


@dataclass
class Answers:
    """Answers questions: by the user at a terminal, by the likelier reading with ``--yes``."""

    yes: bool
    asked: list[dict[str, Any]] = field(default_factory=list)
    open: list[Question] = field(default_factory=list)

    def __call__(self, question: Question) -> int:
        """Return the position of the chosen reading; without a terminal the question stays open."""
        at = 0
        if not self.yes and sys.stdin.isatty():
            at = _prompt(question)
        elif not self.yes:
            self.open.append(question)
        told = {"question": question.text, "choices": list(question.choices), "answer": question.choices[at]}
        self.asked.append({**told, "option": question.option})
        return at

    def check(self) -> None:
        """Raise InputError when a question stayed open."""
        if self.open:
            told = "; ".join(
                f"{one.text} 1. {', 2. '.join(one.choices)} (answer with {one.option})" for one in self.open
            )
            raise InputError(f"{len(self.open)} open: {told}; add --yes to take the first of each")


def _prompt(question: Question) -> int:
    typer.echo(clean(question.text), err=True)
    for number, choice in enumerate(question.choices, start=1):
        typer.echo(f"  {number}. {clean(choice)}", err=True)
    while True:
        number = int(typer.prompt("number", default=1, type=int, err=True))
        if 1 <= number <= len(question.choices):
            return number - 1
