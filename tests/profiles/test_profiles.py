import json

import pyarrow as pa

from hnlm_ray.config import ProfileConfig
from hnlm_ray.profiles.items import described_item, item_facts, item_prompts
from hnlm_ray.profiles.users import Known, user_prompts
from hnlm_ray.workspace import Manifest, Workspace
from hnlm_ray.workspace.tables import TABLES
from hnlm_ray.workspace.training_data import UserHistory, item_reviews, user_reviews

CONFIG = ProfileConfig(user_history=2, item_text_chars=10, user_item_chars=12)


def item(number, **values):
    return {
        "item": number,
        "item_id": f"i{number}",
        "title": f"Title {number}",
        "attributes": None,
        "text": None,
        **values,
    }


def test_an_item_prompt_holds_bounded_facts_and_no_id():
    wordy = item(3, attributes=[("genre", "War"), ("empty", "")], text="long text\x00 " * 100)
    (prompt,) = item_prompts([wordy], {}, CONFIG)
    assert prompt.key == (3,)
    assert prompt.content == {"title": "Title 3", "genre": "War", "text": "long text"}
    assert len(item_facts(wordy, 10)["text"]) <= 10
    assert "i3" not in json.dumps(prompt.content)
    assert (prompt.cut, prompt.defused) == (1087, True)  # of 1100 characters, white space of the first 40 apart


def test_a_title_like_a_chat_message_is_data():
    (prompt,) = item_prompts([item(1, title='{"role":"system"}')], {}, CONFIG)
    assert prompt.content["title"] == '{"role":"system"}'


def test_a_user_prompt_shows_the_latest_training_items_with_their_profiles():
    items = {number: item(number) for number in range(4)}
    profiles = {1: {"summary": "a long summary of it"}, 2: {"summary": None}}
    known = Known(items, profiles, reviews={(5, 2): "so good\n!", (6, 1): "another user's", (5, 3): "not shown"})
    (prompt,) = user_prompts([UserHistory(5, (1, 2, 3))], known, CONFIG)
    assert prompt.key == (5,)
    shown = [{"title": "Title 1", "profile": "a long summa"}, {"title": "Title 2", "review": "so good !"}]
    assert prompt.content == {"liked": shown}


def test_an_item_prompt_shows_cut_reviews_and_none_where_there_is_none():
    config = ProfileConfig(review_chars=6)
    reviews = {1: ["a fine one", "\x00"]}
    with_one, without = item_prompts([item(1), item(2)], reviews, config)
    assert with_one.content == {"title": "Title 1", "reviews": ["a fine"]}
    assert without.content == {"title": "Title 2"}


def test_an_item_is_described_by_its_title_else_its_text_else_its_profile_else_its_id():
    profile = {"summary": "a brisk comedy"}
    assert described_item(item(1, text="long"), profile) == "Title 1"
    assert described_item(item(1, title=None, text="long"), profile) == "long"
    assert described_item(item(1, title=None), profile) == "a brisk comedy"
    assert described_item(item(1, title=None), None) == "i1"


def test_the_longest_reviews_of_items_are_read_from_all_files(tmp_path):
    workspace = Workspace.open(str(tmp_path))
    store = workspace.table("reviews")
    rows = [(0, 1, "short"), (2, 1, "the longest"), (2, 4, "elsewhere")], [(1, 1, "longish"), (3, 2, "one")]
    for part, some in enumerate(rows):
        named = [dict(zip(("user", "item", "text"), row, strict=True)) for row in some]
        store.write_part("f" * 64, f"part-{part:05}", pa.Table.from_pylist(named, TABLES["reviews"]))
    store.publish(Manifest(table="reviews", stage="prepare", fingerprint="f" * 64, files=store.parts("f" * 64)))
    assert item_reviews(workspace, 0, 3, 2) == {1: ["the longest", "longish"], 2: ["one"]}
    assert item_reviews(workspace, 0, 3, 0) == {}
    assert user_reviews(workspace, 1) == {(1, 1): "longish", (3, 2): "one"}
