"""``hnlm status --follow``: what runs in a workspace, again and again until nothing does; from its files alone."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Final, TypedDict

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hnlm_ray.base.text import clean, duration, redacted
from hnlm_ray.commands.output import Output, open_console, say
from hnlm_ray.tune.run.board import SweepState, board_path
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.session import StageJournal, journal_path, read_beat

EVERY_S: Final = 2.0


class BestTraining(TypedDict):
    """The best training of a method so far, by validation."""

    training: str
    value: float


class SweepLook(TypedDict):
    """How far a stage's trainings are; ``running`` gives the seconds that each has run for."""

    metric: str
    total: int
    ended: Mapping[str, int]
    running: Mapping[str, float]
    best: Mapping[str, BestTraining]
    seconds_left: float | None


class Look(TypedDict):
    """What runs in a workspace now, as ``hnlm status --follow --json`` prints it.

    ``stage`` is null where nothing runs, and between two stages; ``sweep`` where the stage trains nothing.
    """

    workspace: str
    at_work: bool
    stage: str | None
    total: int | None
    done: int | None
    seconds: float | None
    sweep: SweepLook | None


def follow(workspace: Workspace, output: Output) -> None:
    """Show what runs until nothing does; with ``--json`` one object a line, the last of which says so."""
    if output.as_json:
        _print_lines(workspace)
    else:
        _show(workspace, open_console())
    output.keep(look(workspace))


def look(workspace: Workspace) -> Look:
    """Return what runs in the workspace now."""
    beat = read_beat(workspace)
    stage = beat.stage if beat is not None else None
    journal = workspace.read_json(journal_path(stage), StageJournal) if stage else None
    return {
        "workspace": redacted(workspace.uri),
        "at_work": beat is not None,
        "stage": stage,
        "total": journal.total if journal else None,
        "done": journal.done if journal else None,
        "seconds": round(journal.seconds, 1) if journal else None,
        "sweep": _sweep(workspace, stage, journal.fingerprint) if stage and journal else None,
    }


def _sweep(workspace: Workspace, stage: str, fingerprint: str) -> SweepLook | None:
    state = workspace.read_json(board_path(stage), SweepState)
    if state is None or state.fingerprint != fingerprint:
        return None
    running = {part: round(max(0.0, time.time() - since), 1) for part, since in state.running.items()}
    return {
        "metric": state.metric,
        "total": state.total,
        "ended": state.ended,
        "running": running,
        "best": {name: {"training": one.training, "value": one.value} for name, one in state.best.items()},
        "seconds_left": state.seconds_left,
    }


def _looks(workspace: Workspace) -> Iterator[Look]:
    while True:
        seen = look(workspace)
        yield seen
        if not seen["at_work"]:
            return
        time.sleep(EVERY_S)


def _print_lines(workspace: Workspace) -> None:
    for seen in _looks(workspace):
        sys.stdout.write(json.dumps(seen, allow_nan=False) + "\n")
        sys.stdout.flush()


def _show(workspace: Workspace, console: Console) -> None:
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for seen in _looks(workspace):
                live.update(Text("\n".join(clean(line) for line in lines_of(seen))), refresh=True)
        return
    said = None
    for seen in _looks(workspace):
        if (told := lines_of(seen)[0]) != said:
            say(console, told)
            said = told


def lines_of(seen: Look) -> list[str]:
    """Say what was seen: one line for the stage, then what trains and the best of each method."""
    if not seen["at_work"]:
        return ["no run is at work here"]
    if seen["stage"] is None:
        return ["a run is at work, between two stages"]
    sweep = seen["sweep"]
    if sweep is None:
        counted = "" if seen["total"] is None else f"{seen['done']}/{seen['total']} done, "
        return [f"{seen['stage']}: {counted}{duration(seen['seconds'] or 0)} so far"]
    return [f"{seen['stage']}: {_summary(sweep)}", *_running(sweep), *_best(sweep)]


def _summary(sweep: SweepLook) -> str:
    ended = sweep["ended"]
    counts = [f"{sum(ended.values())}/{sweep['total']} done", f"{len(sweep['running'])} running"]
    counts += [f"{count} {status}" for status, count in sorted(ended.items()) if status != "ok"]
    if sweep["best"]:
        best = max(sweep["best"].values(), key=lambda one: float(one["value"]))
        counts.append(f"best {best['training']} {sweep['metric']} {best['value']:.4f}")
    if sweep["seconds_left"] is not None:
        counts.append(f"about {duration(sweep['seconds_left'])} left")
    return ", ".join(counts)


def _running(sweep: SweepLook) -> list[str]:
    return [f"  {part:<28} running for {duration(seconds)}" for part, seconds in sorted(sweep["running"].items())]


def _best(sweep: SweepLook) -> list[str]:
    by_value = sorted(sweep["best"].items(), key=lambda entry: (-entry[1]["value"], entry[0]))
    return [f"  {name:<28} best {sweep['metric']} {best['value']:.4f} ({best['training']})" for name, best in by_value]
