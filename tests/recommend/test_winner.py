"""Who recommends: chosen on validation, among all but controls."""

import pytest

from hnlm_ray.base.errors import StageError
from hnlm_ray.config import CFConfig
from hnlm_ray.config.spaces import SpaceConfig
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.recommend.final_model import choose_winner

METRIC = "ndcg@20"


def refits(method, validation, test=0.1, epochs=(4,), **more):
    config = CFConfig(dim=len(method)).model_dump_json()
    made = {"method": method, "search": 0, "status": "ok", "config": config, "test": [(METRIC, test)], **more}
    made["validation"] = None if validation is None else [(METRIC, validation)]
    return [{**made, "seed": seed, "best_epoch": epoch} for seed, epoch in enumerate(epochs)]


def winner(*rows, trials=()):
    return choose_winner(trials, [row for each in rows for row in each], METRIC)


def test_validation_chooses_and_not_test():
    found = winner(refits("mf-rns", 0.2, test=0.9), refits("mf-pool", 0.3, test=0.1), refits("mf-dns", 0.25))
    assert (found.name, found.method, found.config.dim) == ("mf-pool", "pool", len("mf-pool"))


def test_a_control_never_recommends():
    found = winner(refits("mf-rns", 0.2), refits("mf-pool_random", 0.9), refits("mf-guard_no_text", 0.8))
    assert found.name == "mf-rns"


def test_ease_has_no_vectors_and_a_model_that_reads_text_has_some():
    assert winner(refits("mf-rns", 0.2), refits("ease", 0.9)).name == "mf-rns"
    found = winner(refits("mf-rns", 0.2), refits("ials", 0.3), refits("kar", 0.4), refits("kar_shuffled", 0.5))
    assert found.name == "kar"
    with pytest.raises(StageError, match="no method that can recommend"):
        winner(refits("ease", 0.9))


def test_a_method_of_ones_own_is_chosen_like_a_shipped_one():
    methods = RunMethods({"mine": SpaceConfig(extends="dns")})
    rows = [*refits("mf-rns", 0.2), *refits("mf-mine", 0.3)]
    assert choose_winner([], rows, METRIC, methods).method == "mine"


def test_of_equals_the_classical_one_recommends():
    assert winner(refits("mf-hnlmrec", 0.2), refits("mf-rns", 0.2)).name == "mf-rns"


@pytest.mark.parametrize(("epochs", "rounded"), [((3, 4), 4), ((1, 2, 2), 2), ((1, 1, 2), 1), ((7,), 7)])
def test_epochs_are_the_rounded_mean_of_the_refits(epochs, rounded):
    assert winner(refits("mf-rns", 0.2, epochs=epochs)).epochs == rounded


def test_refits_without_validation_are_chosen_by_their_best_trial():
    trials = [
        {"method": name, "search": 0, "trial": 0, "status": "ok", "validation": [(METRIC, value)]}
        for name, value in (("mf-rns", 0.1), ("mf-dns", 0.4))
    ]
    assert winner(refits("mf-rns", None), refits("mf-dns", None), trials=trials).name == "mf-dns"


def test_a_method_whose_refits_all_failed_does_not_recommend():
    failed = [{**row, "status": "failed", "test": None} for row in refits("mf-dns", 0.9)]
    assert winner(failed, refits("mf-rns", 0.1)).name == "mf-rns"
    with pytest.raises(StageError, match="no method that can recommend"):
        winner(failed, refits("mf-pool_alpha0", 0.9))


def test_of_several_searches_the_best_on_validation_recommends():
    low, high = refits("mf-rns", 0.2, epochs=(3, 3)), refits("mf-rns", 0.4, epochs=(9, 9))
    other = CFConfig(dim=33).model_dump_json()
    second = [{**row, "search": 1, "config": other, "seed": row["seed"] + 10} for row in high]
    found = winner(low, second, refits("mf-dns", 0.25))
    assert (found.name, found.config.dim, found.epochs) == ("mf-rns", 33, 9)
