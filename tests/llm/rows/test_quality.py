"""What is said of the texts of a table, on texts whose figures can be counted by hand."""

import zlib
from functools import reduce

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.llm.rows import stream as batch
from hnlm_ray.llm.rows.buckets import BucketSummary, summary_of
from hnlm_ray.llm.rows.job import LLMTask, RowTask
from hnlm_ray.llm.rows.quality import (
    MOST_TEXTS,
    TextSample,
    compression_ratio,
    key_hashes,
    lowest,
    sampled,
    text_figures,
)
from hnlm_ray.llm.text.answers import AnswerFormat
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.workspace.tables import TABLES


def sample(texts, start=0):
    return sampled(key_hashes([np.arange(start, start + len(texts), dtype=np.int32)]), texts)


def test_figures_of_three_texts_counted_by_hand():
    figures = text_figures(sample(["The film, the SEA", "a film", "a film"]))
    assert figures.pop("compression_ratio") > 1
    assert figures == {
        "duplicate_share": 0.3333,
        "distinct_1": 0.5,  # the film the sea a film a film
        "distinct_2": 0.8,  # the-film film-the the-sea a-film a-film
        "words_mean": 2.67,
        "words_median": 2.0,
        "sampled_texts": 3,
    }


def test_no_text_has_no_figures_and_texts_without_words_no_diversity():
    assert text_figures(sample([])) == {"sampled_texts": 0}
    figures = text_figures(sample(["...", "!"]))
    assert (figures["distinct_1"], figures["distinct_2"], figures["words_mean"]) == (None, None, 0.0)
    assert text_figures(sample(["one", "two"]))["distinct_2"] is None


def test_texts_that_repeat_compress_better_and_are_less_distinct():
    varied = [f"{n * 7919 % 997} {n * 104729 % 991} words of {n}" for n in range(400)]
    same = ["A likable choice for people who like such things."] * 400
    for name, higher in (("compression_ratio", same), ("distinct_1", varied), ("distinct_2", varied)):
        lower = varied if higher is same else same
        assert text_figures(sample(higher))[name] > 2 * text_figures(sample(lower))[name]
    assert text_figures(sample(same))["duplicate_share"] == 0.9975
    assert compression_ratio(same) == pytest.approx(400 * 50 / len(zlib.compress("\n".join(same).encode())), rel=0.01)


def merged(parts):
    return reduce(TextSample.merged, parts, TextSample())


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 7))
def test_the_sample_does_not_hang_on_how_a_table_is_cut(values, size):
    texts = [f"text {value}" for value in values]
    parts = [sample(texts[start : start + size], start) for start in range(0, len(texts), size)]
    assert merged(parts) == merged(parts[::-1]) == sample(texts)


def test_a_large_table_is_sampled_by_the_hash_of_its_keys_wherever_they_lie():
    texts = [f"text {n}" for n in range(3 * MOST_TEXTS)]
    whole, cut = sample(texts), sample(texts[:500]).merged(sample(texts[500:], 500))
    assert whole == cut
    assert len(whole.texts) == MOST_TEXTS
    numbers = np.array([int(text.split()[1]) for _, text in whole.texts])
    assert abs(numbers.mean() - 1.5 * MOST_TEXTS) < 4 * np.sqrt(3 / 4) * np.sqrt(MOST_TEXTS)  # evenly over the table


def test_the_places_of_the_lowest_hashes_are_those_that_the_sample_keeps():
    hashes = key_hashes([np.arange(9000), np.arange(9000)[::-1]])
    assert sorted(lowest(hashes).tolist()) == sorted(np.argsort(hashes)[:MOST_TEXTS].tolist())
    assert lowest(hashes[:7]).tolist() == list(range(7))


def test_hashes_tell_keys_apart_and_both_columns_count():
    users, items = (grid.ravel() for grid in np.meshgrid(np.arange(300), np.arange(300)))
    assert len(np.unique(key_hashes([users, items]))) == 90_000
    assert key_hashes([np.array([1, 2], np.int32)]).tolist() == [10451216379200822465, 10905525725756348110]


TASK = LLMTask(
    "semantic_negatives", ("user", "item"), 2, lambda bucket: [], AnswerFormat({"name": 80, "reasoning": 120}),
    {"name": "negative", "reasoning": "reasoning"}, 64, load_prompt("semantic_negative.v1"),
    load_prompt("semantic_negative.simple.v1"),
)  # fmt: skip


def rows(users, *, mended=()):
    statuses = ("ok", "ok", "invalid", "none", "ok")
    made = {"attempts": 1, "tokens_in": 10, "tokens_out": 2, "prompt_version": "v", "model": "m"}
    found = [
        {"user": user, "item": n, "status": status, "negative": f"Film {n % 4}" if status == "ok" else None, **made,
         "error": "repaired JSON" if n in mended else None, "prompt_cut": 7 * (n == 1), "prompt_defused": n in (2, 3)}
        for user in users for n, status in enumerate(statuses)
    ]  # fmt: skip
    return pa.Table.from_pylist(found, schema=TABLES["semantic_negatives"])


def test_the_counts_of_a_stage_are_those_of_its_rows_however_they_lie_in_buckets():
    parts = [summary_of(TASK, rows(users)) for users in ((0, 3), (), (1,), (2,))]
    summary = reduce(BucketSummary.plus, parts, BucketSummary())
    assert summary == summary_of(TASK, rows(range(4)))
    assert (summary.rows, summary.tokens_in, summary.tokens_out) == (20, 200, 40)
    assert summary.by_status == {"ok": 12, "none": 4, "invalid": 4}
    counts = batch._text_counts(summary)
    assert (counts["valid_share"], counts["sampled_texts"], counts["words_mean"]) == (0.6, 12, 2.0)
    assert (counts["prompts_cut"], counts["prompts_defused"]) == (4, 8)
    assert counts["duplicate_share"] == round(1 - 2 / 12, 4)  # Film 0 and Film 1, and nothing of failed rows


def test_rows_whose_answer_was_mended_are_counted_apart_and_only_where_there_are_some():
    assert "answers_repaired" not in batch._text_counts(summary_of(TASK, rows([0])))
    parts = [summary_of(TASK, rows(users, mended=(0, 3))) for users in ((0,), (1, 2))]
    counts = batch._text_counts(reduce(BucketSummary.plus, parts, BucketSummary()))
    assert (counts["answers_repaired"], counts["valid_share"]) == (6, 0.6)


def test_rows_of_no_text_and_no_rows_have_no_figures_of_texts():
    embeddings = RowTask("negative_embeddings", ("user", "item"), 1, lambda bucket: [])
    assert summary_of(embeddings, rows([0]).drop_columns(["negative"])).texts == TextSample()
    counts = batch._text_counts(summary_of(TASK, rows([])))
    assert counts == {"sampled_texts": 0, "prompts_cut": 0, "prompts_defused": 0}
