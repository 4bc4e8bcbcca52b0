"""One run of each kind of planted data; tests/long/test_planted_merit.py has twenty of each."""

import pytest
import torch
from planted_merit import MERIT, board_of, planted


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


METHODS = ("ease", "fusion", "fusion_shuffled", "fusion_facts")


@pytest.mark.parametrize("kind", ["both", "none"])
def test_the_sentence_says_what_was_planted(kind):
    board = board_of(planted(kind, 0), 0, methods=METHODS)
    assert board["finding"]["credit"] == MERIT[kind]
    assert ("LLM" in board["headline"]) == (MERIT[kind] == "LLM")
    if kind == "both":  # the same in a run that asked nothing
        again = board_of(planted(kind, 0), 0, methods=METHODS, tokens=0)
        assert (again["finding"]["outcome"], again["finding"]["credit"]) == ("gain", "texts")
        assert "LLM" not in again["headline"] + again["verdict"]


def test_with_searches_and_trials_enough_a_comparison_is_one_of_methods():
    board = board_of(planted("none", 1), 1, methods=("rns", "pns"), searches=2, trials=10, seeds=2)
    rns, pns = sorted(board["methods"], key=lambda entry: entry["name"] != board["best_classical"])
    assert (pns["searches"], pns["trials"], pns["seeds"]) == (2, 20, 4)
    assert pns["versus_best_classical"]["unit"] == "searches"
    assert pns["versus_best_classical"]["speaks_of"] == "methods"
    assert rns["versus_best_classical"]["difference"] == 0
