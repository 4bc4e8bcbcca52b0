"""Prompts of a sample are those of the stage, with texts that stand for what is not written yet."""

from hnlm_ray.plan.measure.sampling import NOTHING_WRITTEN, Texts


def test_known_texts_stand_and_others_are_drawn_the_same_each_time():
    texts = Texts({1: "mine", 2: None}, ["a", "b", None])
    rows = texts.rows(range(200), seed=7)
    assert (rows[1], rows[2]) == ({"summary": "mine"}, {"summary": None})
    drawn = [rows[key]["summary"] for key in range(3, 200)]
    assert set(drawn) == {"a", "b", None}
    assert rows == texts.rows(range(200), seed=7)
    assert rows != texts.rows(range(200), seed=8)


def test_without_any_text_profiles_are_empty():
    assert NOTHING_WRITTEN.rows([5], seed=1) == {5: {"summary": None}}
