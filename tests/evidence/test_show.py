"""`hnlm show user` tells what the LLM judged of a user's candidates."""

import io

from judged_workspace import held_out_items, judged_workspace, judgement, publish_judgements
from rich.console import Console

from hnlm_ray.commands.show.show import describe_user
from hnlm_ray.commands.show.show_text import show_user
from hnlm_ray.workspace import PublishedTables
from hnlm_ray.workspace.shown_tables import ShownTables


def described(workspace):
    tables = ShownTables(workspace, PublishedTables.look(workspace))
    return {**describe_user(tables, 3), "left_out": []}


def test_a_user_s_candidates_are_shown_with_their_verdicts_reasons_and_what_is_held_out(tmp_path):
    workspace = judged_workspace(tmp_path)
    held_out, *_ = held_out_items(3, 1)
    other = next(item for item in range(48) if item not in held_out_items(3, 1))
    row = judgement(3, [held_out, other, 9], [1.0, -1.0]) | {"reasons": ["as calm as others", None]}
    publish_judgements(workspace, [row, judgement(4, [1], [1.0])])
    user = described(workspace)
    told = [(one["item"], one["verdict"], one["reason"], one["held_out"]) for one in user["judgements"]]
    assert told[:2] == [(held_out, "yes", "as calm as others", True), (other, "no", None, False)]
    assert told[2][:3] == (9, None, None)
    console = Console(file=io.StringIO(), width=200)
    show_user(console, user)
    lines = console.file.getvalue().splitlines()
    start = lines.index("candidates that the LLM judged (3):")
    assert lines[start + 1].endswith(": yes, because: as calm as others; a held-out row says that they like it")
    assert lines[start + 2] == f"  Title {other:02}: no"
    assert lines[start + 3].startswith("  Title 09: no verdict")


def test_of_a_user_who_was_not_asked_about_nothing_is_shown(tmp_path):
    workspace = judged_workspace(tmp_path)
    user = described(workspace)
    assert user["judgements"] == []
    console = Console(file=io.StringIO())
    show_user(console, user)
    assert "judged" not in console.file.getvalue()
