"""Whose merit a gain is, where that is known: facts alone, the profile alone, both, or nothing helps."""

from collections import Counter

import pytest
import torch
from planted_merit import MERIT, PLANTED, board_of, planted

SEEDS, MOST_WRONG = 20, 1

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", PLANTED)
def test_the_sentence_is_right(kind):
    told = Counter(board_of(planted(kind, seed), seed)["finding"]["credit"] for seed in range(SEEDS))
    print(f"{kind}: {dict(told)}")
    assert SEEDS - told[MERIT[kind]] <= MOST_WRONG
