"""`hnlm init`: the configuration that it writes reads the files; what it says and refuses."""

import json
import re
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from hnlm_ray.cli import app
from hnlm_ray.config.loading import load_config
from hnlm_ray.sources import Rejects, read_interactions, read_items


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"{n % 40},{n * 7 % 25},{n % 5 + 1},2020-01-{n % 28 + 1:02}" for n in range(800)]
    bad = [f"{n},,5,2020-01-01" for n in range(30)]
    (tmp_path / "My Ratings.csv").write_text("\n".join(["userId,itemId,rating,date", *lines, *bad]), encoding="utf-8")
    items = "\n".join(["itemId;name;genre"] + [f"{n};Film \u202e no {n};g{n % 4}" for n in range(25)])
    (tmp_path / "items.csv").write_text(items, encoding="utf-8")
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(app, ["init", *arguments])


def test_the_configuration_loads_reads_the_files_and_tells_its_evidence(here):
    result = call("My Ratings.csv", "items.csv", "--yes")
    assert result.exit_code == 0, result.output
    config = load_config("my-ratings.yaml")
    rejects = Rejects()
    assert sum(batch.num_rows for batch in read_interactions(config.source, rejects)) == 800
    assert sum(batch.num_rows for batch in read_items(config.source, rejects)) == 25
    assert (config.name, config.workspace, config.prepare.min_rating) == ("my-ratings", "runs/my-ratings", 4)
    assert config.source.max_bad_share == 0.05  # 30 of 830 lines, and a fifth more
    text = (here / "my-ratings.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    told = [above.lstrip().startswith("#") or "  # " in line for above, line in pairwise(lines)]
    assert sum(told) > 0.8 * len(told)
    assert "item id is empty" in text


def test_the_text_shows_what_was_understood_without_control_characters(here):
    output = call("My Ratings.csv", "items.csv", "--yes").output
    assert "read 800 interactions from 830 lines, 30 can't be used" in output
    assert re.search(r"interactions +30 of 830 +item id is empty", output)
    assert "hnlm run --config my-ratings.yaml" in output
    assert "\u202e" not in output


def test_the_json_holds_the_tree_the_columns_the_counts_and_three_examples(here):
    answer = json.loads(call("My Ratings.csv", "items.csv", "--yes", "--json").stdout)
    assert answer["config"] == "my-ratings.yaml"
    assert answer["source"]["interactions"]["columns"]["item"] == "itemId"
    assert {"file", "column", "role", "why"} == set(answer["columns"][0])
    assert (answer["read"]["interactions"], answer["read"]["bad"], answer["read"]["items"]) == (800, 30, 25)
    assert [example["about"]["title"] for example in answer["examples"]] == [f"Film \u202e no {n}" for n in (0, 7, 14)]


def test_a_file_that_is_there_is_replaced_with_force_alone(here):
    (here / "o.yaml").write_text("mine", encoding="utf-8")
    refused = call("My Ratings.csv", "--out", "o.yaml", "--yes")
    assert (refused.exit_code, (here / "o.yaml").read_text(encoding="utf-8")) == (2, "mine")
    assert "--force" in refused.output
    assert call("My Ratings.csv", "--out", "o.yaml", "--yes", "--force").exit_code == 0
    assert load_config("o.yaml").source.items is None


def test_without_a_terminal_an_open_question_is_an_error_that_says_how_to_answer(here):
    rows = "\n".join(f"u{n % 40}\ti{n * 7 % 25}" for n in range(400))
    (here / "x.tsv").write_text(rows, encoding="utf-8")
    asked = call("x.tsv")
    assert asked.exit_code == 2
    assert "--user and --item" in asked.output
    assert "--yes" in asked.output
    assert not (here / "x.yaml").exists()
    assert call("x.tsv", "--user", "column_2", "--item", "column_1").exit_code == 0
    assert load_config("x.yaml").source.interactions.columns.user == "column_2"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no.csv"], "there is no file no.csv"),
        (["My Ratings.csv", "--out", "no/o.yaml"], "--out no/o.yaml"),
        (["My Ratings.csv", "--yes", "--name", "../x", "--out", "o.yaml"], "name"),
        (["My Ratings.csv", "--rating", "nope"], "--rating 'nope'"),
    ],
)
def test_what_is_wrong_ends_with_code_2_and_a_sentence(here, arguments, told):
    result = call(*arguments)
    assert result.exit_code == 2
    assert told in result.output
    assert "Traceback" not in result.output


def answer_of(*arguments):
    result = call(*arguments, "--yes", "--json", "--out", "o.yaml", "--force")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def table(path, header, rows):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]), encoding="utf-8")
    return path.name


def pairs(users=30, items=20, step=7):
    """Pairs that differ: 15 items of each user."""
    return [(f"u{user}", f"i{(user * step + item) % items}") for user in range(users) for item in range(15)]


def test_missing_cells_are_values_and_no_lost_interactions(here):
    rows = [(*pair, 99 if at % 3 == 0 else at % 5 + 1) for at, pair in enumerate(pairs())]
    answer = answer_of(table(here / "r.csv", "user_id,item_id,rating", rows))
    (loss,) = [one for one in answer["left_out"] if "rating_range" in one["why"]]
    assert (loss["what"], loss["count"], loss["of"]) == ("values of rating", 150, 450)
    assert not any("of the interactions are left out" in told for told in answer["warnings"])
    assert any("of the values of rating are left out" in told for told in answer["warnings"])


def test_items_that_the_interactions_describe_come_again_without_a_loss(here):
    rows = [(*pair, f"The {pair[1]} Film", at % 5 + 1) for at, pair in enumerate(pairs())]
    answer = answer_of(table(here / "r.csv", "user_id,item_id,title,rating", rows))
    assert answer["source"]["items"]["path"] == "r.csv"
    assert not any("duplicate" in one["why"] for one in answer["left_out"])


def test_an_item_that_a_file_describes_twice_is_told_with_its_remedy(here):
    ratings = table(here / "r.csv", "user_id,item_id,rating", [(*pair, at % 5 + 1) for at, pair in enumerate(pairs())])
    items = table(here / "i.csv", "item_id,title,genre", [(f"i{at % 150}", f"Film no {at}", "g") for at in range(151)])
    (loss,) = [one for one in answer_of(ratings, items)["left_out"] if "duplicate" in one["why"]]
    assert (loss["count"], "put the best first" in loss["instead"]) == (1, True)


def test_other_events_are_said_apart_from_lines_that_cannot_be_used(here):
    rows = [(*pair, "purchase" if at % 2 else "view") for at, pair in enumerate(pairs())]
    name = table(here / "r.csv", "user_id,item_id,event", rows)
    assert "read 225 interactions from 450 lines, 0 can't be used, 225 are other events" in call(name, "--yes").output


def test_the_reason_of_lines_that_cannot_be_used_is_no_other_event(here):
    rows = [(*pair, "purchase" if at % 2 else "view") for at, pair in enumerate(pairs())]
    rows += [(f"u{at}", "", "purchase") for at in range(30)]
    call(table(here / "r.csv", "user_id,item_id,event", rows), "--yes", "--out", "o.yaml")
    assert "30 of 480 lines of the interactions can't be used (item id is empty)" in " ".join(
        (here / "o.yaml").read_text(encoding="utf-8").replace("#", " ").split()
    )


def test_repeats_are_told_and_not_warned_about(here):
    rows = pairs()
    name = table(here / "r.csv", "user_id,item_id", [*rows, *rows, *rows[:50]])
    answer = answer_of(name)
    (loss,) = [one for one in answer["left_out"] if one["what"] == "repeats"]
    assert (loss["count"], loss["of"]) == (500, 0)
    assert loss["why"] == "repeats of 450 pairs of user and item: a pair counts once"
    assert not any("repeats" in told for told in answer["warnings"])


def test_what_was_taken_with_yes_is_never_to_be_changed_by_yes(here):
    rows = [(*pair, -1 if at % 5 == 0 else 2) for at, pair in enumerate(pairs())]
    answer = answer_of(table(here / "r.csv", "user_id,item_id,quantity", rows))
    told = " ".join([*answer["warnings"], *(one["instead"] for one in answer["left_out"])])
    assert "(else remove columns.quantity from the configuration)" in told
    assert "--yes" not in told


def test_an_open_question_about_odd_cells_says_that_the_file_may_be_mended(here):
    rows = [(*pair, 99 if at % 9 == 0 else at % 5 + 1) for at, pair in enumerate(pairs())]
    refused = call(table(here / "r.csv", "user_id,item_id,rating", rows))
    assert refused.exit_code == 2
    assert "(answer with --yes, or mend the file)" in " ".join(refused.output.split())


@pytest.mark.parametrize(("rating", "warned"), [
    (lambda at: 1 + (at % 3) + 2 * (at % 100 == 0), True), (lambda at: 5 - (at % 2) - (at % 100 == 0), True),
    (lambda at: at % 5 + 1, False), (lambda at: int(at % 50 == 0), False),
])  # fmt: skip
def test_a_threshold_that_nearly_all_or_none_reach_is_warned_about(here, rating, warned):
    rows = [(*pair, rating(at)) for at, pair in enumerate(pairs())]
    answer = answer_of(table(here / "r.csv", "user_id,item_id,rating", rows))
    assert any("prepare.min_rating" in told for told in answer["warnings"]) is warned
