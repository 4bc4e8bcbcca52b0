"""Judgements as arrays, what they cost, what they are worth, and what they count."""

import numpy as np
import pyarrow as pa
import pytest
from judged_workspace import judged_workspace, judgement, publish_judgements

from hnlm_ray.errors import WorkspaceError
from hnlm_ray.evidence.judgements import judged_pairs, judgement_tokens, load_judgements
from hnlm_ray.evidence.stage import verdict_counts
from hnlm_ray.evidence.worth import Worth, chance, worth_of
from hnlm_ray.tables import TABLES

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
    assert judgement_tokens(workspace) == 100


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


def test_a_verdict_is_worth_how_often_it_meets_a_held_out_positive():
    users, items = np.array([0, 0, 0, 1, 1, 1, 1, 2], np.int32), np.array([0, 1, 2, 0, 1, 2, 3, 0], np.int32)
    verdicts = np.array([1, 1, -1, 1, -1, -1, -1, 0], np.float32)
    held_out = np.array([0, 0, 1, 1, 2], np.int32), np.array([0, 3, 0, 2, 3], np.int32)
    yes, unsure, no = worth_of(users, items, verdicts, held_out, n_items=4)
    assert yes == Worth("yes", 3, 2, 2 / 3, pytest.approx((2 / 3) / (3 / 8)))
    assert no == Worth("no", 4, 1, 1 / 4, pytest.approx((1 / 4) / (3 / 8)))
    assert unsure == Worth("unsure", 1, 0, 0.0, 0.0)


def test_the_chance_is_that_of_the_table_of_yes_and_no():
    tea = [Worth("yes", 4, 3, 0.75, 1.5), Worth("unsure", 9, 9, 1.0, 2.0), Worth("no", 4, 1, 0.25, 0.5)]
    assert chance(tea) == pytest.approx(34 / 70)  # Fisher's lady tasting tea, two-sided
    assert chance([*tea[:2], Worth("no", 0, 0, None, None)]) is None


def test_where_nothing_is_judged_or_nothing_is_held_out_there_is_no_lift():
    none = np.zeros(0, np.int32)
    assert worth_of(none, none, np.zeros(0, np.float32), (none, none), 4)[0] == Worth("yes", 0, 0, None, None)
    one = np.zeros(1, np.int32)
    assert worth_of(one, one, np.ones(1, np.float32), (none, none), 4)[0] == Worth("yes", 1, 0, 0.0, None)
