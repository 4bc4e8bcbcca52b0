"""Real trainings that differ by chance alone are seldom called different, and planted differences are found."""

import numpy as np
import pytest
import torch
from null_fits import films, per_user, spoilt, trained
from scipy import stats

from hnlm_ray.compare.significance import compare

STUDIES, SEEDS, POWER_STUDIES = 200, 5, 40
LEVEL, MOST = 0.05, 0.07
SPOILT = (15, 30, 60, 90)
SLOWER = (0.014, 0.01, 0.007)

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


def seeds_of(study, name):
    """Five seeds that no other study or name has."""
    return [2 * SEEDS * study + SEEDS * name + place for place in range(SEEDS)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data():
    return films()


@pytest.fixture(scope="module")
def scorers(data):
    return [[[trained(data, seed) for seed in seeds_of(study, name)] for name in (0, 1)] for study in range(STUDIES)]


@pytest.fixture(scope="module")
def null(data, scorers):
    """float[studies, names, seeds, users]."""
    return np.array([[[per_user(data, own) for own in name] for name in study] for study in scorers])


def found(a, b):
    """How many of the studies, float[studies, seeds, users] each, are called different."""
    return sum(compare(first, second).p < LEVEL for first, second in zip(a, b, strict=True))


def told(what, a, b):
    """Count with all seeds and with fewer, and print the rate with its exact interval."""
    counts = {}
    for seeds in (2, 3, SEEDS):
        counts[seeds] = found(a[:, :seeds], b[:, :seeds])
        low, high = stats.binomtest(counts[seeds], len(a)).proportion_ci()
        shift = b[:, :seeds].mean() / a[:, :seeds].mean() - 1
        print(
            f"{what}, {seeds} seeds, difference {shift:+.1%}: {counts[seeds]} of {len(a)}, "
            f"{counts[seeds] / len(a):.1%} [{low:.1%}, {high:.1%}]"
        )
    return counts


def test_one_configuration_under_two_names_and_other_seeds(null):
    counts = told("two names, other seeds", null[:, 0], null[:, 1])
    assert all(count <= MOST * STUDIES for count in counts.values())


def test_the_same_where_a_seed_gives_both_names_the_same_start(data, null):
    """So a method and its control share what a seed draws; pairing by seed takes that out."""
    other = np.array(
        [
            [
                per_user(data, trained(data, seed, start))
                for seed, start in zip(seeds_of(s, 1), seeds_of(s, 0), strict=True)
            ]
            for s in range(STUDIES)
        ]
    )
    own, shared = null[:, 0].mean(-1), other.mean(-1)
    print(f"correlation of the seeds' means: {np.corrcoef(own.ravel(), shared.ravel())[0, 1]:.2f}")
    counts = told("two names, same start", null[:, 0], other)
    assert all(count <= MOST * STUDIES for count in counts.values())


def test_users_who_lose_their_taste_are_found(data, scorers, null):
    power = []
    for users in SPOILT:
        worse = np.array(
            [
                [per_user(data, spoilt(own, users, seed)) for seed, own in enumerate(study[1])]
                for study in scorers[:POWER_STUDIES]
            ]
        )
        power.append(told(f"{users} users of 300 spoilt", null[:POWER_STUDIES, 0], worse)[SEEDS])
    assert power == sorted(power)
    assert power[-1] > 0.9 * POWER_STUDIES


@pytest.mark.parametrize(("name", "whose"), [(1, "other seeds"), (0, "same seeds")])
def test_a_worse_learning_rate_is_found(data, null, name, whose):
    power = []
    for lr in SLOWER:
        worse = np.array(
            [[per_user(data, trained(data, seed, lr=lr)) for seed in seeds_of(s, name)] for s in range(POWER_STUDIES)]
        )
        power.append(told(f"learning rate {lr} for 0.02, {whose}", null[:POWER_STUDIES, 0], worse)[SEEDS])
    assert power == sorted(power)
    assert power[-1] > 0.9 * POWER_STUDIES
