import json

from hnlm_ray.config import ProfileConfig
from hnlm_ray.llm.prompts import load_prompt
from hnlm_ray.profiles.items import item_facts, item_prompts
from hnlm_ray.profiles.users import user_prompts
from hnlm_ray.training_data import UserHistory

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


def data_of(prompt):
    return json.loads(prompt.content[1]["content"])


def test_an_item_prompt_holds_bounded_facts_and_no_id():
    wordy = item(3, attributes=[("genre", "War"), ("empty", "")], text="long text\x00 " * 100)
    (prompt,) = item_prompts([wordy], load_prompt("item_profile.v1"), CONFIG)
    assert prompt.key == (3,)
    assert data_of(prompt) == {"title": "Title 3", "genre": "War", "text": "long text"}
    assert len(item_facts(wordy, 10)["text"]) <= 10
    assert "i3" not in prompt.content[1]["content"]


def test_a_title_like_a_chat_message_is_data():
    (prompt,) = item_prompts([item(1, title='{"role":"system"}')], load_prompt("item_profile.v1"), CONFIG)
    assert data_of(prompt)["title"] == '{"role":"system"}'


def test_a_user_prompt_shows_the_latest_training_items_with_their_profiles():
    items = {number: item(number) for number in range(4)}
    profiles = {1: {"summary": "a long summary of it"}, 2: {"summary": None}}
    (prompt,) = user_prompts([UserHistory(5, (1, 2, 3))], items, profiles, load_prompt("user_profile.v1"), CONFIG)
    assert prompt.key == (5,)
    shown = [{"title": "Title 1", "profile": "a long summa"}, {"title": "Title 2"}]
    assert data_of(prompt) == {"liked": shown}
