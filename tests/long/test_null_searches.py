"""One method under two names, each searched for by itself, is seldom called better than itself.

HNLM_NULL_SEARCHES names a folder that keeps the trainings, so that a test that was stopped goes on.
"""

import os
import subprocess
import sys

import pytest
from null_searches import FEW_TRIALS, FILMS, POOLED, SEARCHES, TRIALS, Search, load
from scipy import stats

from hnlm_ray.compare.leaderboard import leaderboard
from hnlm_ray.compare.method_rows import group_rows
from hnlm_ray.config.spaces import SpaceConfig
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.study.finished import FinishedRun
from hnlm_ray.study.pooled import BEST_SEMANTIC, pooled

PAIRS, PROCESSES, LEVEL = 200, 2, 0.05
NAMES = ("mf-dns", "mf-mine")
METHODS = RunMethods({"mine": SpaceConfig(extends="dns", family="semantic")})
SIZES = {"users": 300, "items": 200, "interactions": 9000}

pytestmark = [pytest.mark.long, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    kept = os.environ.get("HNLM_NULL_SEARCHES") or str(tmp_path_factory.mktemp("searches"))
    os.makedirs(kept, exist_ok=True)
    command = [sys.executable, os.path.join(os.path.dirname(__file__), "null_searches.py"), kept]
    running = [subprocess.Popen([*command, str(part), str(PROCESSES), str(PAIRS)]) for part in range(PROCESSES)]
    assert [process.wait() for process in running] == [0] * PROCESSES
    return kept


def rows(folder, data, pair, searches, trials):
    """Return the tables trials and results of a pair of names."""
    found = [
        load(folder, Search(data, pair, name, place), trials, NAMES[name], place)
        for name in (0, 1)
        for place in range(searches)
    ]
    return [[row for own in found for row in own[table]] for table in (0, 1)]


def compared(folder, pair, searches, trials):
    """Return how the product compares a pair: with dns, the only classical one."""
    board = leaderboard(*rows(folder, FILMS, pair, searches, trials), SIZES, methods=METHODS)
    (entry,) = (entry for entry in board["methods"] if entry["name"] == NAMES[1])
    return entry["versus_best_classical"]


def rate(what, p_values):
    """Print the rate of p below 0.05 with its exact interval; returns both."""
    count = sum(p < LEVEL for p in p_values)
    interval = stats.binomtest(count, len(p_values)).proportion_ci()
    print(f"{what}: {count} of {len(p_values)}, {count / len(p_values):.1%} [{interval.low:.1%}, {interval.high:.1%}]")
    return count / len(p_values), interval


def test_over_three_searches_a_method_seldom_differs_from_itself(folder):
    found = [compared(folder, pair, SEARCHES, TRIALS) for pair in range(PAIRS)]
    assert {(one["unit"], one["speaks_of"]) for one in found} == {("searches", "methods")}
    _, interval = rate(f"{SEARCHES} searches of {TRIALS} trials", [one["p_holm"] for one in found])
    rate(f"2 searches of {TRIALS} trials", [compared(folder, pair, 2, TRIALS)["p_holm"] for pair in range(PAIRS)])
    assert interval.low <= LEVEL


def test_over_the_seeds_of_one_search_it_often_does_and_no_method_is_spoken_of(folder):
    found = [compared(folder, pair, 1, trials) for pair in range(PAIRS) for trials in (FEW_TRIALS, TRIALS)]
    assert {(one["unit"], one["speaks_of"]) for one in found} == {("seeds", "configurations")}
    for place, trials in enumerate((FEW_TRIALS, TRIALS)):
        wrong, _ = rate(f"1 search of {trials} trials", [one["p_holm"] for one in found[place::2]])
        assert wrong > 2 * LEVEL


def finished(folder, data, pair):
    trials, results = rows(folder, data, pair, 1, FEW_TRIALS)
    methods = {own.name: own for own in group_rows(trials, results)}
    board = leaderboard(trials, results, SIZES, methods=METHODS)
    return FinishedRun(f"films-{data}", "main", board, methods, frozenset(), {}, 0, None, 1.0, {}, "", data)


def test_pooled_over_four_data_sets_a_method_seldom_differs_from_itself(folder):
    p_values = []
    for pair in range(PAIRS):
        found = pooled([finished(folder, data, pair) for data in POOLED])["comparisons"]
        p_values.append(next(one["p"] for one in found if one["method"] == BEST_SEMANTIC))
    _, interval = rate(f"{len(POOLED)} data sets, 1 search of {FEW_TRIALS} trials on each", p_values)
    assert interval.low <= LEVEL
