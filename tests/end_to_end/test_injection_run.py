"""Hostile texts on their way through the LLM stages: each touches rows about it alone."""

import json

import pyarrow.compute as pc
import pytest
from hostile_run import TASKS, check_tables, prompts_of, run_to_pool
from injections import HIDDEN, INJECTIONS, MARKS
from small_run import small_config

from hnlm_ray.config import Config

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
HARMLESS_ITEMS, HARMLESS_USERS, MIXED_USERS, LIKED = 24, 10, 30, 4
IN_IDS_ALONE = "only-an-id-has-this"
TEXTS = [text for _, text in INJECTIONS] + ["Obey! " * 100_000]


def storable(text):
    """Tell whether a line with the text is taken: it has no NUL and no half character."""
    return "\0" not in text and text.encode(errors="replace").decode() == text


def item_ids():
    """Return harmless ids, then a hostile one for each text."""
    return [f"i{n}" for n in range(HARMLESS_ITEMS)] + [
        f"{n}:{text[:60] if storable(text) else ''}{IN_IDS_ALONE}" for n, text in enumerate(TEXTS)
    ]


def histories():
    """Return each user's items as places: some users like harmless items alone, the others of both kinds."""
    hostile = range(HARMLESS_ITEMS, HARMLESS_ITEMS + len(TEXTS))
    likes = [[(5 * user + n) % HARMLESS_ITEMS for n in range(2 * LIKED)] for user in range(HARMLESS_USERS)]
    for user in range(MIXED_USERS):
        harmless = [(7 * user + n) % HARMLESS_ITEMS for n in range(LIKED)]
        likes.append(harmless + [hostile[(LIKED * user + n) % len(TEXTS)] for n in range(LIKED)])
    return likes


def write_texts(folder, texts):
    """Write items and events; these texts are the titles, attributes, texts and reviews of the hostile items."""
    folder.mkdir(parents=True)
    ids = item_ids()
    told = [f"Unique Title {n:03}" for n in range(HARMLESS_ITEMS)] + texts
    items = [{"id": key, "title": text, "kind": text, "about": text} for key, text in zip(ids, told, strict=True)]
    for item in items[-1:]:
        item |= {"title": "A long text", "kind": None}  # a line has a mebibyte at most
    events = [
        {"user": f"u{user:02}", "item": ids[item], "review": told[item].encode(errors="replace").decode()}
        for user, likes in enumerate(histories())
        for item in likes
    ]
    for name, rows in (("items", items), ("events", events)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "format": "table",
        "max_bad_share": 0.5,
        "interactions": {
            "path": str(folder / "events.jsonl"),
            "columns": {"user": "user", "item": "item", "review": ["review"]},
        },
        "items": {
            "path": str(folder / "items.jsonl"),
            "columns": {"item": "id", "title": "title", "attributes": ["kind"], "text": ["about"]},
        },
    }


def texts_config(folder, texts):
    small = small_config(folder, folder / "ws", prepare__split={"validation": 0.0, "test": 0.1})
    source = write_texts(folder / "data", texts)
    return Config.model_validate({**small.model_dump(exclude_unset=True), "source": source})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run with the hostile texts, and one with harmless texts in their place."""
    folder, plain = tmp_path_factory.mktemp("texts"), [f"Another Title {n:03}" for n in range(len(TEXTS))]
    configs = [texts_config(folder / name, texts) for name, texts in (("hostile", TEXTS), ("harmless", plain))]
    return list(zip(configs, run_to_pool(*configs), strict=True))


@pytest.fixture(scope="module")
def hostile(runs):
    return runs[0]


def test_every_row_has_one_outcome_and_what_was_done_to_its_texts_is_counted(hostile):
    check_tables(*hostile)


def test_each_hostile_item_s_row_tells_what_was_done_to_its_texts(hostile):
    _, workspace = hostile
    rows = {row["item"]: row for row in workspace.table("item_profiles").read().to_pylist()}
    named = {row["item_id"]: rows[row["item"]] for row in workspace.table("items").read().to_pylist()}
    noted = [named[key] for key in item_ids()]
    assert len(noted) == len(rows)
    assert not any(row["prompt_cut"] or row["prompt_defused"] for row in noted[:HARMLESS_ITEMS])
    for place, (text, row) in enumerate(zip(TEXTS, noted[HARMLESS_ITEMS:], strict=True)):
        if storable(text):
            assert row["prompt_defused"] == (place < len(HIDDEN) + len(MARKS)), text
        if len(text) < 40:
            assert row["prompt_cut"] == 0
    assert noted[-1]["prompt_cut"] > 5 * 10**5


def about_harmless_items(workspace, table):
    """Return a table's rows whose prompt has nothing of a hostile item."""
    kind, ids = ("item", r"^i\d+$") if table == "item_profiles" else ("user", f"^u0[0-{HARMLESS_USERS - 1}]$")
    known, rows = workspace.table(f"{kind}s").read(), workspace.table(table).read()
    harmless = known.filter(pc.match_substring_regex(known[f"{kind}_id"], ids))[kind]
    return rows.filter(pc.is_in(rows[kind], harmless.combine_chunks()))


@pytest.mark.parametrize("table", TASKS)
def test_rows_about_harmless_items_are_what_they_are_without_the_hostile_texts(runs, table):
    hostile, harmless = (about_harmless_items(workspace, table) for _, workspace in runs)
    assert hostile.num_rows >= HARMLESS_USERS
    assert hostile.equals(harmless)


def test_no_prompt_holds_an_id(hostile):
    config, workspace = hostile
    told = [json.dumps(prompt.content) for task in TASKS.values() for prompt in prompts_of(task(config, workspace))]
    assert sum("Unique Title" in text for text in told) > 50
    assert not any(IN_IDS_ALONE in text for text in told)
