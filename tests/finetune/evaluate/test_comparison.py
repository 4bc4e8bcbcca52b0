"""The words of the comparison on held-out users: better, behind or level by the interval, and by nothing else."""

import pytest

from hnlm_ray.finetune.evaluate.comparison import (
    MEANINGS,
    METRICS,
    NO_LLM,
    TUNED,
    UPPER_BOUND,
    in_words,
    losses_of,
    methods_of,
)

NOTHING_SEMANTIC = "this comparison can't show semantic knowledge."


def row(name, mrr, around=None, own=0.43):
    """Return a row of the table; ``around``: the interval of the fine-tuned LLM minus it."""
    figures = {"mrr": mrr, "mrr_low": mrr - 0.07, "mrr_high": mrr + 0.07}
    if name != TUNED:
        figures["difference"] = own - mrr
    if around is not None:
        figures |= {"difference_low": around[0], "difference_high": around[1]}
    return {"method": name, "metrics": list(figures.items())}


def words(*rows, **losses):
    return in_words(methods_of([row(TUNED, 0.43), *rows]), losses)


CASES = [
    (
        "item_vector",
        0.502,
        (-0.154, 0.012),
        "is level with item_vector (mrr 0.502, difference -0.072 [-0.154, +0.012])",
    ),
    ("item_vector", 0.60, (-0.25, -0.09), "is behind item_vector (mrr 0.600, difference -0.170 [-0.250, -0.090])"),
    ("cf_mlp", 0.30, (0.05, 0.21), "is better than cf_mlp (mrr 0.300, difference +0.130 [+0.050, +0.210])"),
    ("cf_mlp", 0.429, (-0.076, 0.076), "is level with cf_mlp (mrr 0.429, difference +0.001 [-0.076, +0.076])"),
    ("cf_ridge", 0.43, (0.0, 0.0), "is level with cf_ridge (mrr 0.430, difference +0.000 [+0.000, +0.000])"),
    ("text_ridge", 0.40, (0.0, 0.06), "is level with text_ridge (mrr 0.400, difference +0.030 [+0.000, +0.060])"),
    ("user_mean", 0.40, (0.001, 0.06), "is better than user_mean (mrr 0.400, difference +0.030 [+0.001, +0.060])"),
    ("random", 0.9, None, "can't be told from random (mrr 0.900, difference -0.470; too few users for an interval)"),
]


@pytest.mark.parametrize(("name", "mrr", "around", "told"), CASES)
def test_a_row_without_an_llm_is_beaten_or_ahead_only_where_the_interval_leaves_0_out(name, mrr, around, told):
    assert f"The fine-tuned LLM (mrr 0.430 [0.360, 0.500]) {told}, the best row that needs no LLM." in words(
        row(name, mrr, around)
    )


def test_it_names_the_best_row_without_an_llm_the_copy_the_mlp_and_the_untuned_start():
    sentence = words(
        row("cf_ridge", 0.55, (-0.2, -0.04)),
        row("item_vector", 0.50, (-0.15, 0.01)),
        row("cf_mlp", 0.432, (-0.08, 0.08)),
        row("untuned", 0.05, (0.3, 0.45)),
        row("random", 0.01, (0.35, 0.5)),
    )
    clauses = sentence.split(". ")[0].split("; ")
    assert len(clauses) == 4
    told = (
        "is behind cf_ridge",
        "it is level with item_vector",
        "it is level with cf_mlp",
        "it is better than untuned",
    )
    assert all(words in clause for words, clause in zip(told, clauses, strict=True))
    assert "random" not in sentence


@pytest.mark.parametrize("ahead", [UPPER_BOUND, "finetuned_no_text", "untuned_ridge", "finetuned_no_soft_tokens"])
def test_neither_the_rule_of_the_targets_nor_an_llm_is_the_best_row_without_one(ahead):
    sentence = words(row(ahead, 1.0, (-0.6, -0.5)), row("cf_mlp", 0.2, (0.1, 0.3)))
    assert "is better than cf_mlp" in sentence
    assert "behind" not in sentence
    bound = "mining_rule (mrr 1.000) is how the targets were made: the upper bound."
    assert (bound in sentence) == (ahead == UPPER_BOUND)


def test_without_a_baseline_nothing_is_said_of_one():
    sentence = words(row("untuned", 0.1, (0.2, 0.4)))
    assert sentence.startswith("The fine-tuned LLM (mrr 0.430 [0.360, 0.500]) has no row without an LLM to be compared")
    assert not {"better", "behind", "level"} & set(sentence.replace(".", " ").split())


def test_figures_without_a_difference_compare_nothing():
    methods = methods_of([{"method": name, "metrics": [("mrr", 0.5)]} for name in (TUNED, "cf_mlp")])
    assert in_words(methods, {}).startswith("The fine-tuned LLM (mrr 0.500) has no row")


def test_without_the_fine_tuned_llm_there_is_one_sentence():
    assert in_words(methods_of([row("cf_mlp", 0.4)]), {}) == "The fine-tuned LLM was not measured."


def test_it_says_once_what_the_comparison_can_not_show():
    assert words(row("cf_mlp", 0.1, (0.2, 0.4))).count(NOTHING_SEMANTIC) == 1
    assert words().count(NOTHING_SEMANTIC) == 1


def test_losses_are_told_where_all_are_numbers():
    told = {"held_out_loss_before": 1.25, "held_out_loss": 1.0, "held_out_loss_fall": 0.2}
    assert words(**told).endswith("Held-out loss 1.2500 -> 1.0000 (-20.0%).")
    assert losses_of({**told, "steps": 3, "held_out_loss_head": "much"}) == told
    assert "loss" not in words(held_out_loss=1.0)


def test_a_figure_that_does_not_exist_is_none():
    ((found),) = methods_of([{"method": "x", "metrics": [("mrr", 0.5), ("mrr_low", 0.4), ("mrr_high", 0.6)]}])
    assert list(found) == ["name", *METRICS, "mrr_ci95", "difference", "difference_ci95"]
    assert (found["mrr_ci95"], found["difference"], found["difference_ci95"]) == ([0.4, 0.6], None, [None, None])
    assert found["cos_target"] is None


def test_rows_that_need_no_llm_are_rows():
    assert set(NO_LLM) < set(MEANINGS)
    assert UPPER_BOUND not in NO_LLM
