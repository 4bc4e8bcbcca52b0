"""``hnlm init``: from unknown files to a commented configuration that reads them.

The questions of ``hnlm init``: who answers them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hnlm_ray.base.errors import ConfigError, InputError
from hnlm_ray.base.text import clean, shorten
from hnlm_ray.commands.output import Output, say
from hnlm_ray.commands.setup.checks.machine import has_gpu
from hnlm_ray.discover.files.sample import Overrides, Question
from hnlm_ray.discover.found import LEFT, Understanding
from hnlm_ray.discover.measure import (
    Core,
    ItemsSeen,
    Measured,
    core_of,
    look_up,
    losses_of,
    measure,
    odd_threshold,
    warnings_of,
)
from hnlm_ray.discover.plan import FIRST_LOOK_USERS, make_plan, name_of
from hnlm_ray.discover.render import render
from hnlm_ray.discover.understanding import understand


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
            told = "; ".join(f"{one.text} {_numbered(one.choices)} (answer with {one.option})" for one in self.open)
            raise InputError(f"{len(self.open)} open: {told}; add --yes to take the first of each")


def _numbered(choices: Sequence[str]) -> str:
    return ", ".join(f"{number}. {choice}" for number, choice in enumerate(choices, start=1))


def _prompt(question: Question) -> int:
    typer.echo(clean(question.text), err=True)
    for number, choice in enumerate(question.choices, start=1):
        typer.echo(f"  {number}. {clean(choice)}", err=True)
    while True:
        number = int(typer.prompt("number", default=1, type=int, err=True))
        if 1 <= number <= len(question.choices):
            return number - 1


_EXAMPLES = 3
_SHOWN_CHARS = 70
_UNDESCRIBED = "no file describes the items: the language model has their ids alone; add a file with their names"


@dataclass(frozen=True)
class Wanted:
    """What the options of ``hnlm init`` ask for."""

    out: str | None
    name: str | None
    workspace: str | None
    force: bool
    yes: bool
    overrides: Overrides


def init(paths: Sequence[str], wanted: Wanted, output: Output) -> None:
    """Understand the files, write the configuration, read the first rows through it and show all of that."""
    name = wanted.name or name_of(wanted.out or paths[0])
    out = _target(wanted.out or f"{name}.yaml", force=wanted.force)
    answers = Answers(wanted.yes)
    found = understand(paths, wanted.overrides, answers)
    answers.check()
    measured = measure(found.source)
    rows = measured.rows.slice(0, _EXAMPLES).to_pylist()
    seen = look_up(found.source, [row["item_id"] for row in rows])
    small = not has_gpu()
    core = _core(found, measured, FIRST_LOOK_USERS if small else None)
    folder = wanted.workspace or f"runs/{name}"
    plan = make_plan(found, measured, core, bad_items=seen.bad_share, name=name, workspace=folder, first_look=small)
    _write(out, render(plan, out))
    _check_loads(out)
    examples = [_example(row, seen) for row in rows]
    answer = {"config": out, **plan.tree, "columns": [vars(use) for use in found.uses], "questions": answers.asked}
    answer |= {"read": _counts(measured, seen), "examples": examples}
    losses = losses_of(found, measured, seen, core)
    taken = [_asked(one) for one in answers.asked] if answers.yes else []
    warnings = [*found.warnings, *taken, *odd_threshold(found, measured), *warnings_of(losses)]
    answer |= {"warnings": warnings, "left_out": [vars(loss) for loss in losses]}
    output.emit(answer, lambda console: _show(console, found, answer, examples))


def _target(out: str, *, force: bool) -> str:
    """Refuse a file that can't be written now, not after the files were read."""
    folder = os.path.dirname(out) or "."
    if os.path.isdir(out) or not os.path.isdir(folder):
        raise InputError(f"--out {out} is no file in a folder that exists: choose another file")
    if os.path.exists(out) and not force:
        raise InputError(f"{out} is there already: add --force to replace it, or --out to write another file")
    return out


def _core(found: Understanding, measured: Measured, most_users: int | None) -> Core:
    if found.given:
        return Core(1, 1, 0, 0, 0)
    core = core_of(measured, found.min_rating, most_users)
    if core is None:
        raise InputError(
            f"no row has a rating of {found.min_rating:g} or more that is the last one of its user and item, so none "
            "is a positive; name another column with --rating"
        )
    if core.users < 2 or core.items < 2:
        raise InputError(
            f"{core.users} users and {core.items} items have positives{_threshold(found)}, and two of each are needed; "
            "name other columns with --user, --item or --rating"
        )
    return core


def _threshold(found: Understanding) -> str:
    return "" if found.min_rating is None else f" (rated {found.min_rating:g} or more)"


def _asked(asked: Mapping[str, Any]) -> str:
    """Tell a question that --yes answered: what was taken, and what says otherwise."""
    otherwise = asked["option"].removeprefix("--yes, or ")
    return f"{asked['question']} Taken: {asked['answer']} (else {otherwise})"


def _write(out: str, text: str) -> None:
    try:
        with open(out, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise InputError(f"--out {out} can't be written ({error.strerror}): choose another file") from error


def _check_loads(out: str) -> None:
    from hnlm_ray.config.loading import load_config

    try:
        load_config(out)
    except ConfigError as error:
        raise InputError(f"{error}\n  (name and workspace come from --name and --workspace)") from error


def _counts(measured: Measured, seen: ItemsSeen) -> dict[str, Any]:
    return {
        "lines": measured.lines,
        "interactions": measured.rows.num_rows,
        "bad": measured.bad,
        "unwanted": measured.unwanted,
        "complete": measured.complete,
        "reasons": dict(measured.reasons),
        "items": seen.items,
        "item_reasons": dict(seen.reasons),
    }


def _example(row: Mapping[str, Any], seen: ItemsSeen) -> dict[str, Any]:
    item = seen.by_id.get(row["item_id"])
    about = None if item is None else {**item, "attributes": dict(item["attributes"] or ())}
    return {**row, "about": about}


def _show(
    console: Console, found: Understanding, answer: Mapping[str, Any], examples: Sequence[Mapping[str, Any]]
) -> None:
    table = Table("file", "column", "used as", "because", box=None, pad_edge=False)
    for use in (use for use in found.uses if use.role != LEFT):
        table.add_row(*(Text(clean(cell)) for cell in (use.file, use.column, use.role, use.why)))
    console.print(table)
    read = answer["read"]
    whole = "" if read["complete"] else " (the first rows of a large file)"
    told = (
        f"read {read['interactions']:,} interactions from {read['lines']:,} lines{whole}, {read['bad']:,} can't be used"
    )
    say(console, told + (f", {read['unwanted']:,} are other events or returns" if read["unwanted"] else ""))
    say(console, f"{read['items']:,} items are described" if read["items"] else _UNDESCRIBED)
    for example in examples:
        say(console, f"  {_told(example)}")
    _show_losses(console, answer["left_out"])
    for warning in answer["warnings"]:
        say(console, f"warning: {warning}")
    say(console, f"wrote {answer['config']}; next: hnlm run --config {answer['config']}")


def _show_losses(console: Console, losses: Sequence[Mapping[str, Any]]) -> None:
    if not losses:
        return
    table = Table("left out", "how many", "why", "to change it", box=None, pad_edge=False)
    for loss in losses:
        many = f"{loss['count']:,} of {loss['of']:,}" if loss["of"] else f"{loss['count']:,}"
        table.add_row(*(Text(clean(cell)) for cell in (loss["what"], many, loss["why"], loss["instead"])))
    console.print(table)


def _told(example: Mapping[str, Any]) -> str:
    about = example["about"]
    shown = "no file describes it" if about is None else about["title"] or about["text"] or about["attributes"]
    parts = [f"user {shorten(example['user_id'], 40)}", f"item {shorten(example['item_id'], 40)}"]
    parts.append(shorten(shown, _SHOWN_CHARS))
    if example["rating"] is not None:
        parts.append(f"rated {example['rating']:g}")
    if example["timestamp"] is not None:
        parts.append(f"{datetime.fromtimestamp(example['timestamp'], UTC):%Y-%m-%d}")
    return ", ".join(parts)
