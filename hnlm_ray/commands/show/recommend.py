"""``hnlm recommend``: makes the lists of all users, or answers for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.redaction import redacted
from hnlm_ray.base.text import clean
from hnlm_ray.commands.output import Output
from hnlm_ray.commands.show.export import freshness
from hnlm_ray.commands.show.recommendation import Answers
from hnlm_ray.commands.show.show_text import title
from hnlm_ray.commands.stages.execution import Execution
from hnlm_ray.commands.stages.narration import say
from hnlm_ray.config import Config
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.sources.readers.files import file_in
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.shown_tables import ShownTables

STAGE = "recommendations"
_BASES = {
    "model": "from the model, trained on {known} of the user's items",
    "fold_in": "folded in from {known} items",
    "popular": "the most popular items",
}


def recommend_to_all(execution: Execution, options: str) -> None:
    """Run what is not fresh up to the lists, then say where they lie and whom they leave out."""
    ran = execution.run(only=find_stage(STAGE))
    answer = {**read_summary(execution.workspace), "log": execution.invocation.log, "ran": ran}
    execution.output.emit(answer, lambda console: _show_summary(console, answer, options))


def read_summary(workspace: Workspace) -> dict[str, Any]:
    """Return where the lists lie, of which model they are, and how many users and items are left out as cold.

    ``cold_users`` have positives in the source and are not in the model; ``cold_items`` are in the catalogue without
    a positive that the model was trained on.
    """
    lists, model, prepared = (
        workspace.table(name).published() for name in ("recommendations", "model_users", "interactions")
    )
    before, users = prepared.counts.get("users_before"), prepared.counts.get("users")
    cold = before - users if isinstance(before, int) and isinstance(users, int) else None
    return {
        "workspace": redacted(workspace.uri),
        "table": redacted(file_in(workspace.uri, "tables/recommendations")),
        "users": lists.counts["users"],
        "rows": sum(file.rows for file in lists.files),
        "k": lists.depends_on["recommend.k"],
        "short_lists": lists.counts["short_lists"],
        "cold_users": cold,
        "cold_items": lists.counts["cold_items"],
        "model": dict(model.counts),
    }


def _show_summary(console: Console, answer: dict[str, Any], options: str) -> None:
    model = answer["model"]
    say(console, f"{model['method']}, trained on {model['positives']:,} positives ({model['train_on']})")
    say(console, f"{answer['rows']:,} recommendations for {answer['users']:,} users in {answer['table']}")
    cold_users = "unknown" if answer["cold_users"] is None else f"{answer['cold_users']:,}"
    say(console, f"{cold_users} users of the source are not in the model: --user folds one in from what it knows")
    say(console, f"{answer['cold_items']:,} items without a positive are recommended to nobody")
    say(console, f"next: hnlm recommend {redacted(options)} --user ID")


def recommend_to_one(
    config: Config, workspace: Workspace, output: Output, *, user: str | None, history: Sequence[str], k: int | None
) -> None:
    """Print the recommendations of a user of the source, or of a new one with a history.

    Raises
    ------
    InputError
        There is no such user, none of the history is an item, or both are given.
    WorkspaceError
        There is no model yet, or it was made from other data.
    """
    if user is not None and history:
        raise InputError("--user and --history exclude each other: a user of the source has a history of its own")
    answers = Answers.open(ShownTables.open(workspace))
    fresh, reason = freshness(config, workspace, "model_users", "model")
    wanted = config.recommend.k if k is None else k
    found = answers.for_history(history, wanted) if user is None else answers.for_user(user, wanted)
    answer = {**found, "fresh": fresh, "reason": reason}
    output.emit(answer, lambda console: _show_answer(console, answer))


def _show_answer(console: Console, answer: dict[str, Any]) -> None:
    whose = "a new user" if answer["user"] is None else f"user {answer['user']}"
    say(console, f"{whose}: {_BASES[answer['basis']].format(known=answer['known_items'])}")
    if answer["note"]:
        say(console, f"note: {answer['note']}")
    table = Table("", "item", "title", "score", "positives", box=None, pad_edge=False)
    for row in answer["recommendations"]:
        score = "" if row["score"] is None else f"{row['score']:.4g}"
        cells = (str(row["rank"]), clean(row["item_id"]), title(row), score, str(row["positives"]))
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
