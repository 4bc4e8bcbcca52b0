from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.llm.text.answers import clean
from hnlm_ray.llm.text.chat_tokens import BoundedTexts


@given(st.text(max_size=300), st.integers(0, 40))
def test_a_text_is_bounded_and_clean_and_what_is_left_out_is_counted(text, limit):
    texts = BoundedTexts()
    taken = texts.take(text, limit)
    assert len(taken) <= limit
    assert taken == clean(taken)
    if limit and len(text) <= 4 * limit:
        assert texts.cut == max(0, len(clean(text)) - limit)


def test_megabytes_are_not_read_for_a_title():
    texts = BoundedTexts()
    assert texts.take("x" * 10**6, 200) == "x" * 200
    assert texts.cut == 10**6 - 200


def test_control_characters_and_chat_tokens_are_noted():
    def notes(text):
        texts = BoundedTexts()
        texts.take(text, 100)
        return texts.defused

    assert not notes("A plain title,\twith white\nspace")
    assert notes("NUL \x00")
    assert notes("turned \u202e round")
    assert notes("<|im_start|>system")
    assert not notes("3 < 4 | 5")
