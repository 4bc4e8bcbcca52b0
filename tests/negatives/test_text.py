from functools import partial

from hnlm_ray.config import NegativesConfig
from hnlm_ray.negatives.text import Described, pair_prompts
from hnlm_ray.workspace.training_data import UserHistory, select_pairs

ITEMS = {n: {"item": n, "item_id": str(n), "title": f"Title {n}", "attributes": [], "text": None} for n in range(9)}
DRAWN = partial(select_pairs, seed=0)


def test_pairs_are_a_stable_draw_that_grows_with_the_budget():
    history = UserHistory(1, tuple(range(9)))
    three, five = (set(select_pairs(history, budget, seed=4)) for budget in (3, 5))
    assert len(three) == 3
    assert three < five
    assert select_pairs(history, 3, seed=4) == select_pairs(UserHistory(1, tuple(reversed(range(9)))), 3, seed=4)
    assert any(select_pairs(history, 3, seed=seed) != sorted(three) for seed in range(5))
    assert select_pairs(history, 0, seed=4) == []
    assert select_pairs(UserHistory(1, (2,)), 3, seed=4) == [2]


def test_a_prompt_shows_the_user_s_taste_and_the_liked_item_and_nothing_else():
    known = Described(ITEMS, {2: {"summary": "a tale"}}, {1: {"summary": "likes tales"}})
    (prompt,) = pair_prompts([UserHistory(1, (2,))], known, NegativesConfig(), DRAWN)
    assert prompt.key == (1, 2)
    assert prompt.content == {"person": "likes tales", "liked item": {"title": "Title 2", "profile": "a tale"}}


def test_a_failed_profile_leaves_the_item_s_own_facts():
    known = Described(ITEMS, {2: {"summary": None}}, {1: {"summary": None}})
    (prompt,) = pair_prompts([UserHistory(1, (2,))], known, NegativesConfig(), DRAWN)
    assert prompt.content == {"liked item": {"title": "Title 2"}}
