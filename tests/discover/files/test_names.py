import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.discover.files.names import has_id, is_word, name_score, only_id, same_name, tokens


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("user", ["userId", "USER_ID", "reviewerID", "Kunde", "Käufer", "用户", "ユーザーID", "user_id:token"]),
        ("item", ["movieId", "asin", "WineID", "Artikel", "商品", "Produit", "товар", "item_id:token"]),
        ("rating", ["Rating", "overall", "Sterne", "étoiles", "評価", "оценка", "별점", "stars"]),
        ("time", ["unixReviewTime", "Datum", "timestamp:float", "日付", "fecha", "created_at", "when"]),
        ("title", ["WineName", "Titel", "nombre", "タイトル", "product name"]),
        ("review", ["reviewText", "comment", "avis", "リレー レビュー"]),
    ],
)  # fmt: skip
def test_names_of_many_languages_tell_their_role(role, names):
    assert all(name_score(role, name) >= 0.5 for name in names), {name: name_score(role, name) for name in names}


@given(st.text(max_size=300))
def test_any_text_may_be_a_name(name):
    assert 0 <= name_score("user", name) <= 1
    assert isinstance(has_id(name), bool)
    assert not (only_id(name) and not tokens(name))


def test_ids_are_told_by_their_ending():
    assert has_id("WineID")
    assert has_id("Kundennummer")
    assert not has_id("WineName")
    assert only_id("ID")
    assert not only_id("user_id")


def test_names_are_the_same_whatever_their_spelling():
    assert same_name("WineID", "wine_id")
    assert not same_name("WineID", "user_id")
    assert not same_name("", "")


def test_words_that_yaml_takes_for_truth_values_are_words():
    assert is_word("positive", "Yes")
    assert is_word("negative", "no")
    assert is_word("negative", "Thumbs Down")
