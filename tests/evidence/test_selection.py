"""Which users are asked about and which items are judged: pure functions against their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.evidence.candidates import choose_candidates, order_of_asking, uncertainty, users_by_mass, within_budget


def chosen(scores, logits, known, hard, most):
    rows = [np.array([row]) for row in (scores, logits, known)]
    found = choose_candidates(rows[0].astype(np.float32), rows[1].astype(np.float32), rows[2].astype(bool), hard, most)
    return found.items[0].tolist(), found.mass[0]


def test_uncertainty_is_one_at_the_decision_point_and_falls_on_both_sides_of_it():
    sure = uncertainty(np.array([0, 1, -1, 9, -9, 200, -200], np.float32))
    assert sure[0] == 1
    assert sure[1] == pytest.approx(sure[2])
    assert sure[1] > sure[3] > 0
    assert (sure[5:] < 1e-20).all()


def test_candidates_are_hard_first_and_unsure_second():
    scores, logits = [8, 7, 6, 5, 4, 3, 2, 1], [3, -1, 0.5, 2, 0, 0, 0, 0]
    nothing_known = [0] * 8
    assert chosen(scores, logits, nothing_known, hard=2, most=2)[0] == [2, 1]  # of the best four
    assert chosen(scores, logits, nothing_known, hard=8, most=2)[0] == [0, -1]  # of the best one
    assert chosen(scores, logits, nothing_known, hard=1, most=4)[0] == [4, 5, 6, 7]


def test_an_item_that_a_user_has_trained_on_is_no_candidate_and_takes_no_other_s_place():
    items, mass = chosen([9, 8, 7, 6], [0, 0, 0, 0], [1, 0, 1, 0], hard=2, most=4)
    assert items == [1, -1, -1, -1]  # the best half of the two that are left
    assert mass == 1


def test_a_user_who_knows_every_item_has_no_candidate_and_no_mass():
    items, mass = chosen([3, 2], [0, 0], [1, 1], hard=1, most=2)
    assert (set(items), mass) == ({-1}, 0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 6))
def test_the_choice_is_the_definition_user_by_user(seed, hard, most):
    draw = np.random.default_rng(seed)
    scores, logits = (draw.integers(-3, 4, (4, 9)).astype(np.float32) for _ in range(2))
    known = draw.random((4, 9)) < 0.4
    found = choose_candidates(scores, logits, known, hard, most)
    for user in range(4):
        unseen = sorted(np.flatnonzero(~known[user]), key=lambda item: (-scores[user, item], item))
        window = unseen[: -(-len(unseen) // hard)]
        wanted = sorted(window, key=lambda item: abs(logits[user, item]))[:most]
        got = [item for item in found.items[user] if item >= 0]
        assert got == wanted
        assert found.logits[user, : len(got)].tolist() == logits[user, got].tolist()
        assert found.mass[user] == pytest.approx(uncertainty(logits[user, got]).sum())


def test_the_users_with_the_most_uncertainty_are_asked_about_and_those_without_any_never():
    mass = np.array([1, 0, 3, 3, 0.5])
    assert users_by_mass(mass, 3).tolist() == [2, 3, 0]
    assert users_by_mass(mass, 9).tolist() == [2, 3, 0, 4]


@pytest.mark.parametrize(("budget", "asked"), [(9, 0), (10, 1), (34, 1), (35, 2), (100, 3)])
def test_users_are_asked_about_in_order_until_the_budget_is_spent(budget, asked):
    assert within_budget(np.array([10, 25, 1]), budget) == asked


def test_numbers_are_drawn_by_user_and_seed_and_tell_nothing_of_the_choice():
    items = np.array([5, 3, 8, 1, 9, -1])
    listed = order_of_asking(items, user=4, seed=1).tolist()
    assert sorted(listed) == [1, 3, 5, 8, 9]
    assert listed == order_of_asking(items[::-1], user=4, seed=1).tolist()
    assert len({tuple(order_of_asking(items, user, seed=1)) for user in range(20)}) > 10
