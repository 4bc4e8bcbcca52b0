"""Hostile names of columns stay names: the YAML reads back as it was meant."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.discover.plan import Plan, name_of
from hnlm_ray.discover.render import printable, render, scalar

HOSTILE = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["a: b", "# no comment", "yes", "null", "1e3", "- x", "{a", "]", "'", '"', "\\", "\n---\n", "\u202eabc", "\x1b[2J",
     "\x85", "\u2028", "&a", "*a", "!!x", "%d", "@", "`", "~", ""]
)  # fmt: skip


@given(HOSTILE, HOSTILE, st.lists(HOSTILE, min_size=1, max_size=4), HOSTILE)
def test_what_is_written_reads_back_and_comments_stay_comments(user, title, attributes, comment):
    items = {"path": "x", "columns": {"item": user, "title": title, "attributes": attributes}}
    tree = {"name": "n", "source": {"format": "table", "items": items, "more_items": [items, items]}}
    tree["source"]["interactions"] = {"rating_values": {user: 1.0}, "columns": {"user": user}}
    comments = {("source", "items"): comment, ("source", "more_items", "0", "path"): comment, ("name",): comment}
    text = render(Plan(tree, comments), f"odd {comment}.yaml")
    assert yaml.safe_load(text) == tree
    assert all(char.isprintable() or char == "\n" for char in text)


@given(HOSTILE)
def test_a_value_stands_on_one_line_of_printable_characters(value):
    assert yaml.safe_load(f"[{scalar(value)}]") == [value]
    assert "\n" not in scalar(value)
    assert printable(value).isprintable()


@given(st.text(max_size=80))
def test_a_runs_name_can_be_made_of_every_path(path):
    name = name_of(path)
    assert name[0].isalnum()
    assert len(name) <= 64
    assert all(char.isascii() and (char.isalnum() or char in "._-") for char in name)


def test_a_runs_name_is_that_of_the_file():
    assert name_of("data/My Ratings.csv.gz") == "my-ratings"
    assert name_of("Käufe.zip") == "kaufe"
