import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.config import NegativesConfig
from hnlm_ray.llm.encoder import TrigramEncoder
from hnlm_ray.negatives.grounding import Catalogue, grounding_counts, normalised_title

TITLES = ["Matrix, The (1999)", "Toy Story (1995)", "Toy Story 2 (1999)", "Amélie", "Heat (1995)", ""]
CONFIG = NegativesConfig(pool_size=3, nearest_cosine=-1.0)
ENCODER = TrigramEncoder()


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue(TITLES, ENCODER.encode(TITLES))


def ground(catalogue, text, positives=(), config=CONFIG):
    return catalogue.ground(text, ENCODER.encode([text])[0], set(positives), config)


@pytest.mark.parametrize(
    ("text", "item", "source"),
    [
        ("The Matrix", 0, "exact"),
        ("matrix, the", 0, "exact"),
        ("THE MATRIX (1999)", 0, "exact"),
        ("AMELIE!", 3, "exact"),
        ("Toy Story", 1, "exact"),
        ("Toy Storry", 1, "fuzzy"),
        ("Some Heating System", None, "nearest"),
    ],
)
def test_a_text_is_grounded_by_exact_then_similar_title_then_meaning(catalogue, text, item, source):
    first = ground(catalogue, text).items[0]
    assert first.source == source
    assert item is None or first.item == item


@pytest.mark.parametrize("positives", [{0}, {0, 1}, {0, 1, 2, 3}])
def test_a_training_positive_of_the_user_is_never_the_answer(catalogue, positives):
    grounding = ground(catalogue, "The Matrix", positives)
    assert grounding.met_positive
    assert not {grounded.item for grounded in grounding.items} & positives
    assert grounding.items[0].source == "nearest"


def test_ranks_are_distinct_items_with_falling_similarity(catalogue):
    items = ground(catalogue, "Toy Story").items
    assert [grounded.source for grounded in items] == ["exact", "neighbour", "neighbour"]
    assert len({grounded.item for grounded in items}) == 3
    assert items[1].weight >= items[2].weight > 0


def test_below_the_least_cosine_a_text_stays_ungrounded(catalogue):
    strict = CONFIG.model_copy(update={"nearest_cosine": 0.99})
    assert ground(catalogue, "qqqq zzzz", config=strict).items == ()


def test_counts_add_up(catalogue):
    strict = CONFIG.model_copy(update={"nearest_cosine": 0.99})
    texts = ["The Matrix", "Toy Storry", "qqqq zzzz"]
    counts = grounding_counts([ground(catalogue, text, config=strict) for text in texts])
    assert counts == {
        "texts": 3, "exact": 1, "fuzzy": 1, "nearest": 0, "ungrounded": 1, "grounded": 2,
        "met_training_positive": 0, "out_of_catalogue": 1,
    }  # fmt: skip


@given(st.text(max_size=60), st.sets(st.integers(0, len(TITLES) - 1)))
def test_any_text_is_grounded_outside_the_positives_or_not_at_all(text, positives):
    catalogue = Catalogue(TITLES, ENCODER.encode(TITLES))
    grounding = ground(catalogue, text, positives)
    items = [grounded.item for grounded in grounding.items]
    assert len(items) == len(set(items)) <= CONFIG.pool_size
    assert not set(items) & positives
    assert all(np.isfinite(grounded.weight) and grounded.weight > 0 for grounded in grounding.items)


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing_more_than_once(text):
    once = normalised_title(text)
    assert normalised_title(once) in {once, normalised_title(normalised_title(once))}
    assert once == once.strip()
