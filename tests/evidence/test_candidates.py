"""What is chosen and what prompts say rests on training rows alone, and keeps its limits."""

import json

import numpy as np
import pytest
from judged_workspace import ITEMS, USERS, held_out_items, judged_config, judged_workspace, trained_items

from hnlm_ray.cf import CFData
from hnlm_ray.cf.guard.questions import blocks
from hnlm_ray.config import EvidenceConfig
from hnlm_ray.evidence.candidates import belief_of, choose, known_items, teacher_of, write_candidates
from hnlm_ray.evidence.prompts import judgement_prompts, judgement_task
from hnlm_ray.negatives.text import Described
from hnlm_ray.teacher.training import training_data
from hnlm_ray.workspace import Manifest
from hnlm_ray.workspace.training_data import UserHistory

CONFIGS = {"all": {}, "few users": {"users": 5}, "few tokens": {"token_budget": 3000}}


def find(workspace, **evidence):
    """Choose as the stage does, with text vectors that are drawn, and publish; returns rows and counts."""
    config = judged_config(workspace, **evidence)
    text = np.random.default_rng(0).standard_normal((ITEMS, 8)).astype(np.float32)
    known = training_data(workspace)
    data = CFData(known.users, known.items, known.train, item_text=text)
    chosen = choose(data, teacher_of(data), belief_of(data, config.seed), config)
    counts = write_candidates(config, workspace, "c" * 16, chosen)
    store = workspace.table("candidates")
    store.publish(Manifest(table="candidates", stage="x", fingerprint="c" * 16, files=store.parts("c" * 16)))
    return store.read().to_pylist(), counts


def prompts(workspace, **evidence):
    task = judgement_task(judged_config(workspace, **evidence), workspace)
    return [prompt for bucket in range(task.buckets) for prompt in task.prompts(bucket)]


@pytest.mark.parametrize("limits", CONFIGS.values(), ids=CONFIGS)
def test_neither_the_choice_nor_a_prompt_hangs_on_what_is_held_out(tmp_path, limits):
    one, other = (judged_workspace(tmp_path / str(seed), seed) for seed in (1, 2))
    assert any(held_out_items(user, 1) != held_out_items(user, 2) for user in range(USERS))
    assert find(one, **limits) == find(other, **limits)
    assert prompts(one, **limits) == prompts(other, **limits)


def test_a_prompt_shows_training_items_as_liked_and_no_held_out_or_trained_item_is_told_apart(tmp_path):
    workspace = judged_workspace(tmp_path)
    find(workspace)
    asked = prompts(workspace)
    assert len(asked) == USERS
    for prompt in asked:
        (user,) = prompt.key
        trained = {f"Title {item:02}" for item in trained_items(user)}
        listed = prompt.content["candidates"]
        assert prompt.content["person"] == f"user {user:02} likes calm"
        assert {item["title"] for item in prompt.content["liked"]} < trained
        assert not {item["title"] for item in listed} & trained
        assert [item["number"] for item in listed] == [1, 2, 3, 4]
        assert [item["title"] for item in listed] == [f"Title {item:02}" for item in prompt.beside["candidates"]]
        assert not {"split", "item", "user", "score"} & {key for item in listed for key in item}
        assert prompt.content["liked"][0]["profile"].endswith("is calm")


def test_candidates_are_the_teacher_s_hardest_of_which_the_belief_is_the_least_sure(tmp_path):
    workspace = judged_workspace(tmp_path)
    data, config = training_data(workspace), judged_config(workspace)
    scores = np.random.default_rng(1).random((USERS, ITEMS), np.float32)
    chosen = choose(data, lambda users: scores[users], lambda users: 9 - 10 * scores[users], config)
    for user in range(USERS):
        unseen = sorted(set(range(ITEMS)) - set(trained_items(user)), key=lambda item: -scores[user, item])
        window = unseen[: -(-len(unseen) // 3)]
        assert chosen.items[user].tolist() == sorted(window, key=lambda item: abs(9 - 10 * scores[user, item]))[:4]


def test_limits_keep_the_most_uncertain_users_and_are_counted(tmp_path):
    workspace = judged_workspace(tmp_path)
    rows, counts = find(workspace)
    assert (counts["users"], counts["users_over_budget"], counts["candidates"]) == (USERS, 0, 4 * USERS)
    assert counts["tokens_estimated"] == sum(row["tokens"] for row in rows)
    masses = sorted((row["mass"] for row in rows), reverse=True)
    few, _ = find(workspace, users=5)
    assert sorted((row["mass"] for row in few), reverse=True) == masses[:5]
    budget = int(sum(row["tokens"] for row in few))
    some, counts = find(workspace, token_budget=budget)
    assert {row["user"] for row in some} == {row["user"] for row in few}
    assert (counts["users_over_budget"], counts["tokens_estimated"]) == (USERS - 5, budget)
    none, counts = find(workspace, token_budget=1)
    assert (none, prompts(workspace), counts["users_over_budget"]) == ([], [], USERS)


def test_an_estimate_is_that_of_the_real_prompt_and_its_longest_answer(tmp_path):
    workspace = judged_workspace(tmp_path)
    rows, _ = find(workspace)
    config = judged_config(workspace)
    task = judgement_task(config, workspace)
    tokens = {row["user"]: row["tokens"] for row in rows}
    for prompt in prompts(workspace):
        messages = task.request(prompt.key, prompt.content, 1).messages
        assert tokens[prompt.key[0]] == sum(len(one["content"]) for one in messages) // 3 + config.evidence.max_tokens
        assert json.loads(messages[1]["content"]) == prompt.content


def test_blocks_cover_the_users_and_known_items_are_the_trained_ones(tmp_path, monkeypatch):
    monkeypatch.setattr("hnlm_ray.cf.guard.questions.CELLS_PER_BLOCK", 7 * ITEMS)
    data = training_data(judged_workspace(tmp_path))
    cut = list(blocks(data))
    assert [user for users in cut for user in range(users.start, users.stop)] == list(range(USERS))
    known = np.concatenate([known_items(data, users) for users in cut])
    assert [set(np.flatnonzero(row)) for row in known] == [set(trained_items(user)) for user in range(USERS)]


def test_an_attribute_that_is_called_as_a_number_takes_no_candidate_s_place():
    told = {"attributes": [("number", "7"), ("genre", "calm")], "text": None}
    known = Described({n: {"title": f"Title {n}", **told} for n in range(3)}, {}, {})
    (prompt,) = judgement_prompts([UserHistory(5, (0,))], {5: [2, 1]}, known, EvidenceConfig())
    assert prompt.content["candidates"] == [
        {"number": 1, "title": "Title 2", "genre": "calm"},
        {"number": 2, "title": "Title 1", "genre": "calm"},
    ]
    assert (prompt.key, prompt.beside) == ((5,), {"candidates": [2, 1]})


def test_the_simpler_prompt_lists_the_first_four_and_asks_for_verdicts_on_these_alone(tmp_path):
    workspace = judged_workspace(tmp_path)
    find(workspace, candidates=6)
    prompt, task = prompts(workspace, candidates=6)[0], judgement_task(judged_config(workspace), workspace)
    request = task.request(prompt.key, prompt.content, 3, simple=True)
    assert len(json.loads(request.messages[1]["content"])["candidates"]) == 4
    assert list(request.expected.fields) == ["1", "2", "3", "4"]
    assert '"reason"' not in request.expected.json_schema()
    assert list(task.request(prompt.key, prompt.content, 1).expected.fields) == list("123456")
