"""Judgements as arrays, what they cost, what they are worth, and what they count."""

import math

import numpy as np
import pyarrow as pa
import pytest
from judged_workspace import judged_workspace, judgement, publish_judgements

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.evidence.judgements import judged_pairs, load_judgements
from hnlm_ray.evidence.prompts import verdict_counts
from hnlm_ray.evidence.worth import Judged, Worth, chance, judged_of, worth_of
from hnlm_ray.workspace.tables import TABLES

ROWS = [
    judgement(3, [7, 8, 9], [1.0, None, -1.0]),
    judgement(1, [5], None, status="invalid"),
    judgement(4, [1, 2], None, status="none"),
    judgement(2, [4, 3, 6], [0.0, -1.0]),  # the simpler prompt listed two
    judgement(5, [2], [1.0]),
]


def table(rows):
    return pa.Table.from_pylist(rows, schema=TABLES["judgements"])


def test_judgements_are_read_as_the_pairs_that_have_a_verdict(tmp_path):
    workspace = judged_workspace(tmp_path)
    with pytest.raises(WorkspaceError, match=r"run `hnlm stage judgements` with evidence\.judge=true"):
        load_judgements(workspace)
    publish_judgements(workspace, ROWS)
    users, items, verdicts = load_judgements(workspace)
    assert (users.dtype, items.dtype, verdicts.dtype) == (np.int32, np.int32, np.float32)
    assert (users.tolist(), items.tolist()) == ([3, 3, 2, 2, 5], [7, 9, 4, 3, 2])
    assert verdicts.tolist() == [1, -1, 0, -1, 1]


@pytest.mark.parametrize("rows", [[], ROWS[1:2]])
def test_without_any_verdict_there_are_no_pairs(rows):
    assert [part.tolist() for part in judged_pairs(table(rows))] == [[], [], []]


def test_verdicts_and_what_is_wrong_with_answers_are_counted():
    assert verdict_counts(table(ROWS)) == {
        "candidates": 10, "judged": 5, "wanted": 2, "not_wanted": 2, "unsure": 1,
        "entries_missing": 1, "entries_malformed": 0, "entries_repeated": 0, "entries_unknown": 3,
        "judged_share": 0.5, "wanted_share": 0.5,
    }  # fmt: skip


def test_nothing_asked_has_no_share():
    assert verdict_counts(table([])) == dict.fromkeys(verdict_counts(table([])), 0)


def held_out_pairs(users, items, verdicts, held_out):
    judged = np.array(users, np.int32), np.array(items, np.int32), np.array(verdicts, np.float32)
    return judged_of(judged, tuple(np.array(part, np.int32) for part in held_out), n_items=4)


def test_a_verdict_is_worth_how_often_it_meets_a_held_out_positive():
    users, items, verdicts = [0, 0, 0, 1, 1, 1, 1, 2], [0, 1, 2, 0, 1, 2, 3, 0], [1, 1, -1, 1, -1, -1, -1, 0]
    held_out = [0, 0, 1, 1, 2], [0, 3, 0, 2, 3]
    yes, unsure, no = worth_of(held_out_pairs(users, items, verdicts, held_out))
    assert yes == Worth("yes", 3, 2, 2 / 3, pytest.approx((2 / 3) / (3 / 8)))
    assert no == Worth("no", 4, 1, 1 / 4, pytest.approx((1 / 4) / (3 / 8)))
    assert unsure == Worth("unsure", 1, 0, 0.0, 0.0)


def test_where_nothing_is_judged_or_nothing_is_held_out_there_is_no_lift():
    assert worth_of(held_out_pairs([], [], [], ([], [])))[0] == Worth("yes", 0, 0, None, None)
    assert worth_of(held_out_pairs([0], [0], [1], ([], [])))[0] == Worth("yes", 1, 0, 0.0, None)
    assert chance(held_out_pairs([], [], [], ([], []))) is None
    assert chance(held_out_pairs([0, 0], [0, 1], [1, -1], ([], []))) is None


def drawn(seed, truth):
    """Return 200 users with 6 candidates; users differ in how much they like, and in how often they hear yes."""
    draw = np.random.default_rng(seed)
    users = np.repeat(np.arange(200, dtype=np.int32), 6)
    hits = draw.random(1200) < np.repeat(draw.random(200), 6)
    wanted = np.repeat(draw.random(200), 6) + truth * hits
    if not truth:  # who likes much hears yes often: no evidence of any candidate
        wanted = np.repeat(hits.reshape(200, 6).mean(1), 6)
    return Judged(users, np.where(draw.random(1200) < wanted, 1, -1).astype(np.float32), hits)


def test_the_chance_is_even_where_verdicts_follow_the_user_alone_and_small_where_they_follow_the_item():
    found = np.array([chance(drawn(seed, 0)) for seed in range(200)])
    assert 0.01 <= (found < 0.05).mean() <= 0.1
    assert max(chance(drawn(seed, 0.4)) for seed in range(20)) < 1e-4


def test_the_chance_is_that_of_admissions_to_berkeley():
    """R's UCBAdmissions: X-squared 1.5246 without correction, p 0.2169 (mantelhaen.test)."""
    men_and_women = [
        ((512, 313), (89, 19)), ((353, 207), (17, 8)), ((120, 205), (202, 391)),
        ((138, 279), (131, 244)), ((53, 138), (94, 299)), ((22, 351), (24, 317)),
    ]  # fmt: skip
    rows = [
        np.tile([[department, verdict, hit]], (count, 1))
        for department, table in enumerate(men_and_women)
        for verdict, counts in zip((1, -1), table, strict=True)
        for hit, count in zip((1, 0), counts, strict=True)
    ]
    users, verdicts, hits = np.concatenate(rows).T
    judged = Judged(users.astype(np.int32), verdicts.astype(np.float32), hits.astype(bool))
    assert chance(judged) == pytest.approx(0.2169237, abs=1e-7)


def test_the_chance_of_what_is_all_but_sure_is_no_zero():
    """Of statsmodels' own p nothing is left there."""
    verdicts = np.repeat(np.array([1, -1], np.float32), 50)
    hits = np.repeat([True, False], 50)
    hits[[0, -1]] = [False, True]
    assert 0 < chance(Judged(np.zeros(100, np.int32), verdicts, hits)) < 1e-20


def test_the_chance_is_that_of_the_formula():
    verdicts = np.array([1, 1, 1, -1, -1, 0, 1, -1, -1], np.float32)
    judged = Judged(np.repeat([3, 5], [6, 3]), verdicts, np.array([1, 1, 0, 0, 0, 1, 0, 1, 0], bool))
    observed, expected = 2 + 0, 3 * 2 / 5 + 1 / 3
    variance = 3 * 2 * 2 * 3 / (25 * 4) + 1 * 2 * 1 * 2 / (9 * 2)
    assert chance(judged) == pytest.approx(math.erfc((observed - expected) / math.sqrt(2 * variance)))
