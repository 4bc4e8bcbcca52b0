import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.config import NegativesConfig
from hnlm_ray.llm.encoder import TrigramEncoder
from hnlm_ray.negatives.grounding import GROUNDING_COUNTS, Catalogue, grounding_counts

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
        ("Toy Story II", 2, "exact"),
        ("Toy Storry", 1, "fuzzy"),
        ("Toy Story 3", None, "nearest"),
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


def test_a_text_that_names_a_positive_does_not_name_another_item_of_its_title():
    titles = ["Chasing Amy (1997)", "Heat (1995)", "Chasing Amy (1997)", "Alien (1979)"]
    grounding = ground(Catalogue(titles, ENCODER.encode(titles)), "Chasing Amy", {0})
    assert grounding.met_positive
    assert grounding.items[0].source == "nearest"
    assert {grounded.item for grounded in grounding.items} == {1, 3}


def test_a_remake_is_told_from_a_positive_by_its_year():
    titles = ["Cape Fear", "Heat", "Cape Fear"]
    catalogue = Catalogue(titles, ENCODER.encode(titles), ["1991", None, "1962"])
    assert ground(catalogue, "Cape Fear (1962)", {0}).items[0].item == 2
    assert ground(catalogue, "Cape Fear (1962)", {2}).met_positive


def test_ranks_are_distinct_items_with_falling_similarity(catalogue):
    items = ground(catalogue, "Toy Story").items
    assert [grounded.source for grounded in items] == ["exact", "neighbour", "neighbour"]
    assert len({grounded.item for grounded in items}) == 3
    assert items[1].weight >= items[2].weight > 0


@pytest.mark.parametrize("weight", [0.1, 0.5, 1.0])
def test_what_a_vector_found_weighs_its_cosine_times_the_setting_and_a_title_1(catalogue, weight):
    config = CONFIG.model_copy(update={"nearest_weight": weight})
    title, *neighbours = ground(catalogue, "Toy Story", config=config).items
    nearest = ground(catalogue, "Toys", config=config).items
    assert title.weight == 1
    assert max(grounded.weight for grounded in (*neighbours, *nearest)) <= weight
    whole = CONFIG.model_copy(update={"nearest_weight": 1.0})
    cosines = [grounded.weight for grounded in ground(catalogue, "Toys", config=whole).items]
    assert [grounded.weight for grounded in nearest] == pytest.approx([weight * cosine for cosine in cosines])


def test_below_the_least_cosine_a_text_stays_ungrounded(catalogue):
    strict = CONFIG.model_copy(update={"nearest_cosine": 0.99})
    assert ground(catalogue, "qqqq zzzz", config=strict).items == ()


def test_a_text_that_says_what_all_items_share_is_near_none_of_them():
    shared, own = np.full((6, 1), 3.0), np.eye(6)
    vectors = np.hstack([shared, own]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    catalogue = Catalogue([""] * 6, vectors)
    config = NegativesConfig(pool_size=3, nearest_cosine=0.5)
    movie, second = np.eye(7, dtype=np.float32)[0], vectors[1]
    assert (vectors @ movie > 0.9).all()
    assert catalogue.ground("the movie", movie, set(), config).items == ()
    assert [grounded.item for grounded in catalogue.ground("second", second, set(), config).items] == [1]


def test_items_that_are_all_alike_are_near_nothing():
    catalogue = Catalogue(["a", "b"], np.tile(ENCODER.encode(["same"]), (2, 1)))
    assert ground(catalogue, "same", config=NegativesConfig()).items == ()


def test_counts_add_up(catalogue):
    strict = CONFIG.model_copy(update={"nearest_cosine": 0.99})
    texts = [("The Matrix", ()), ("Toy Storry", ()), ("qqqq zzzz", ()), ("Heat", {4})]
    groundings = [ground(catalogue, text, positives, strict) for text, positives in texts]
    counts = grounding_counts([*groundings, ground(catalogue, "Toy Story 3"), ground(catalogue, "Heat", {4})])
    assert counts == {
        "texts": 6, "named_by_title": 2, "exact_title": 1, "fuzzy_title": 1, "nearest_by_vector": 2, "ungrounded": 2,
        "repeat_training_positive": 2, "out_of_catalogue": 2,
    }  # fmt: skip
    assert tuple(counts) == GROUNDING_COUNTS


@given(st.lists(st.tuples(st.sampled_from([*TITLES, "Toy Storry", "qqq"]), st.sets(st.integers(0, 5))), max_size=8))
def test_texts_are_parted_by_how_they_were_found_and_by_what_they_name(texts):
    catalogue = Catalogue(TITLES, ENCODER.encode(TITLES))
    config = CONFIG.model_copy(update={"nearest_cosine": 0.3})
    counts = grounding_counts([ground(catalogue, text, positives, config) for text, positives in texts])
    assert counts["named_by_title"] == counts["exact_title"] + counts["fuzzy_title"]
    found = ("named_by_title", "nearest_by_vector", "ungrounded")
    named = ("named_by_title", "repeat_training_positive", "out_of_catalogue")
    for parts in (found, named):
        assert sum(counts[part] for part in parts) == counts["texts"] == len(texts)


@given(st.text(max_size=60), st.sets(st.integers(0, len(TITLES) - 1)))
def test_any_text_is_grounded_outside_the_positives_or_not_at_all(text, positives):
    catalogue = Catalogue(TITLES, ENCODER.encode(TITLES))
    grounding = ground(catalogue, text, positives)
    items = [grounded.item for grounded in grounding.items]
    assert len(items) == len(set(items)) <= CONFIG.pool_size
    assert not set(items) & positives
    assert all(np.isfinite(grounded.weight) and grounded.weight > 0 for grounded in grounding.items)
