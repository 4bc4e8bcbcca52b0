"""The ``hnlm`` command: gathers the commands that the modules beside this one declare.

What a command does is in :mod:`hnlm_ray.commands`; it is imported when the command runs, so that
``hnlm --help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import typer
from typer.core import TyperCommand

from hnlm_ray.cli import cf, readings, runs, setup, study
from hnlm_ray.commands.invocation import ReportingGroup, open_closed_streams, unwind_on_signals

COMMANDS: Final[tuple[Callable[..., Any], ...]] = (
    setup.init,
    runs.plan,
    runs.run,
    runs.stage,
    runs.status,
    runs.failures,
    runs.results,
    readings.report,
    readings.show,
    readings.recommend,
    readings.export,
    setup.doctor,
)
GROUPS: Final[dict[str, tuple[str, dict[str, Callable[..., Any]]]]] = {
    "config": (
        "Show a configuration, or its schema.",
        {"show": setup.config_show, "schema": setup.config_schema},
    ),
    "models": (
        "Make or list the model files of a run.",
        {"fetch": setup.models_fetch, "list": setup.models_list},
    ),
    "finetune": ("Measure the fine-tuned LLM.", {"eval": readings.finetune_eval}),
    "cf": ("The collaborative filtering engine alone: no LLM, no Ray.", {"train": cf.train}),
}
OWN_CLASSES: Final[dict[Callable[..., Any], type[TyperCommand]]] = {cf.train: cf.TrainCommand}

app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="LLM-driven hard negatives for collaborative filtering, on Ray. Start: hnlm run --config configs/demo.yaml",
)


def _add_study() -> None:
    """Add a command that has a command of its own below it."""
    both = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
    both.callback()(study.study)
    both.command()(study.merge)
    app.add_typer(both, name="study")


def _add_group(name: str, about: str, commands: dict[str, Callable[..., Any]]) -> None:
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=about)
    # With a callback of its own, a group of one command is a group still.
    group.callback()(lambda: None)
    for own, command in commands.items():
        group.command(own, cls=OWN_CLASSES.get(command))(command)
    app.add_typer(group, name=name)


for command in COMMANDS:
    app.command()(command)
for group_name, (about, commands) in GROUPS.items():
    _add_group(group_name, about, commands)
_add_study()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ``arguments`` default to those of the process."""
    open_closed_streams()
    unwind_on_signals()
    app(args=None if arguments is None else list(arguments), prog_name="hnlm")
