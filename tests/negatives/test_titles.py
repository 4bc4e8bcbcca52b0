"""How titles are compared: folded, with numbers that agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnlm_ray.negatives.titles import TitleIndex, normalised_title, numbered_title, numbers_of, year_of

FILMS = [
    *("Toy Story", "Die Hard", "Die Hard 2", "Casablanca", "Rocky II", "Rocky III", "The Godfather: Part II"),
    *("Malcolm X", "V for Vendetta", "I, Robot", "Henry V", "Star Trek V: The Final Frontier", "Dune: Part Two"),
    *("20,000 Leagues Under the Sea", "Seven (Se7en)", "Independence Day (ID4)", "The Fifth Element", "Twelve Monkeys"),
    "The King and I",
]
PRODUCTS = [
    *(
        "Apple iPhone 12 Smartphone",
        "Canon EOS 5D Camera",
        "Nikon 50mm f/1.8 Lens",
        "Les Misérables \uff13",
        "Волга 24",
    ),
    "كتاب ٣",
]


def named(titles, text, least=88, years=None):
    items, how = TitleIndex(titles, years).named(text, least)
    return [(titles[item], how) for item in items]


@pytest.mark.parametrize(
    "text",
    [
        *("Toy Story 2", "Toy Story II", "Toy Story Two", "Die Hard 3", "Die Hard III", "Casablanca 2", "Rocky IV"),
        *(
            "The Godfather: Part III",
            "The Godfather: Part I",
            "Malcolm",
            "Henry IV",
            "Star Trek VI: The Final Frontier",
        ),
        *("Dune: Part One", "21,000 Leagues Under the Sea", "Independence Day (ID5)", "The Sixth Element"),
        *("Thirteen Monkeys", "11 Monkeys"),
    ],
)
def test_a_title_with_other_numbers_is_another_title(text):
    assert named(FILMS, text) == []
    assert named(FILMS, text, least=60) in ([], [("Die Hard", "fuzzy")])


@pytest.mark.parametrize(
    ("text", "title", "how"),
    [
        ("Rocky 3", "Rocky III", "exact"),
        ("rocky iii", "Rocky III", "exact"),
        ("Rocky Ⅲ", "Rocky III", "exact"),
        ("Rokcy 3", "Rocky III", "fuzzy"),
        ("Die Hard II", "Die Hard 2", "exact"),
        ("Die Hardd Two", "Die Hard 2", "fuzzy"),
        ("The Godfather Part 2", "The Godfather: Part II", "exact"),
        ("The Godfather, Part Two", "The Godfather: Part II", "exact"),
        ("Malcolm X", "Malcolm X", "exact"),
        ("Malcom X", "Malcolm X", "fuzzy"),
        ("V for Vendeta", "V for Vendetta", "fuzzy"),
        ("I Robot", "I, Robot", "exact"),
        ("The King & I", "The King and I", "fuzzy"),
        ("Henry 5", "Henry V", "exact"),
        ("Star Trek 5: The Final Frontier", "Star Trek V: The Final Frontier", "exact"),
        ("Star Trek V The Final Frontier", "Star Trek V: The Final Frontier", "exact"),
        ("Dune 2", "Dune: Part Two", None),
        ("20000 Leagues Under the Sea", "20,000 Leagues Under the Sea", "exact"),
        ("20000 Leages Under the Sea", "20,000 Leagues Under the Sea", "fuzzy"),
        ("Seven", "Seven (Se7en)", "exact"),
        ("Independence Day", "Independence Day (ID4)", "exact"),
        ("Independance Day", "Independence Day (ID4)", "fuzzy"),
        ("The 5th Element", "The Fifth Element", "exact"),
        ("12 Monkeys", "Twelve Monkeys", "exact"),
    ],
)
def test_a_number_is_the_same_however_it_is_written(text, title, how):
    assert named(FILMS, text, least=80) == ([(title, how)] if how else [])


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Apple iPhone 13 Smartphone", None),
        ("Aple iPhone 12 Smartphone", "Apple iPhone 12 Smartphone"),
        ("Canon EOS 6D Camera", None),
        ("Cannon EOS 5D Camera", "Canon EOS 5D Camera"),
        ("Nikon 85mm f/1.8 Lens", None),
        ("Nikon 50mm f/1.4 Lens", None),
        ("Nikkon 50mm f/1.8 Lens", "Nikon 50mm f/1.8 Lens"),
        ("Les Miserables 3", "Les Misérables \uff13"),
        ("Les Miserables 4", None),
        ("Волга 21", None),
        ("كتاب 3", "كتاب ٣"),
    ],
)
def test_numbers_within_words_and_in_any_digits_count(text, title):
    assert [found for found, _ in named(PRODUCTS, text)] == ([title] if title else [])


def test_what_ends_a_title_in_parentheses_may_be_left_out_of_the_text_and_not_changed():
    titles = ["iPhone 12 (64GB)", "iPhone 12 (128GB)", "iPhone 12 (64GB) (Renewed) (2021)"]
    assert named(titles, "iPhone 12") == [(title, "exact") for title in titles[:2]]
    assert named(titles, "iPhone 12 (128GB)") == [(titles[1], "exact")]
    assert named(titles, "iPhone 12 (256GB)") == []


def test_the_spelling_of_the_text_comes_before_what_its_numbers_may_mean():
    assert named(["Malcolm X", "Malcolm 10"], "Malcolm 10") == [("Malcolm 10", "exact")]
    assert named(["Se7en", "Seven"], "Seven") == [("Seven", "exact")]


def test_of_items_of_one_title_the_year_decides_where_the_text_gives_one_of_theirs():
    remakes = ["Sabrina (1954)", "Heat", "Sabrina (1995)"]
    assert named(remakes, "Sabrina (1995)") == [("Sabrina (1995)", "exact")]
    assert named(remakes, "Sabrinna (1954)", least=80) == [("Sabrina (1954)", "fuzzy")]
    both = [("Sabrina (1954)", "exact"), ("Sabrina (1995)", "exact")]
    assert named(remakes, "Sabrina") == named(remakes, "Sabrina (2007)") == both
    assert named(remakes, "Heat (1986)") == [("Heat", "exact")]
    plain = ["Sabrina", "Sabrina"]
    assert TitleIndex(plain, ["1954", "1995"]).named("Sabrina (1995)", 88) == ([1], "exact")


def test_only_the_title_that_is_most_similar_is_named():
    assert named(["Jumanji", "Jumanja", "Jumanji"], "Jumanjii", least=80) == [("Jumanji", "fuzzy")] * 2


@pytest.mark.parametrize("text", ["", "   ", "(1999)", "!!!", "The", "movie"])
def test_what_says_nothing_names_nothing(text):
    assert named([*FILMS, ""], text) == []


@pytest.mark.parametrize(
    ("title", "numbered"),
    [
        ("Godfather: Part II, The (1974)", "the godfather part 2"),
        ("Louis XIV", "louis 14"),
        ("World War I", "world war 1"),
        ("Xanadu X-Files", "xanadu x files"),
        ("Batman v Superman", "batman v superman"),
        ("Super Bowl XL", "super bowl xl"),
        ("Vol. 007", "vol 007"),
        ("8 1/2", "8 1 2"),
    ],
)
def test_numbers_become_digits(title, numbered):
    assert numbered_title(title) == numbered


def test_leading_zeros_and_order_do_not_count():
    assert numbers_of("vol 007 of 10") == numbers_of("10 vol 7")
    assert numbers_of("0") == ("0",) != numbers_of("")


def test_a_year_is_one_that_ends_the_title_in_parentheses():
    assert [year_of(title) for title in ("Heat (1995)", "Heat (1995) ", "2001", "(1995) Heat")] == ["1995"] * 2 + [
        None
    ] * 2


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing_more_than_once(text):
    once = normalised_title(text)
    assert normalised_title(once) in {once, normalised_title(normalised_title(once))}
    assert once == once.strip()


@given(st.lists(st.text(max_size=20), max_size=6), st.text(max_size=20))
def test_what_is_named_has_the_numbers_of_the_text(titles, text):
    items, how = TitleIndex(titles).named(text, 50)
    if how == "fuzzy":
        shown = {numbers_of(numbered_title(text))}
        assert all(shown & {numbers_of(numbered_title(titles[item])), _beside(titles[item])} for item in items)


def _beside(title):
    return numbers_of(numbered_title(title.rpartition("(")[0]))


@given(st.text(max_size=30).filter(normalised_title))
def test_every_title_names_itself(title):
    assert TitleIndex(["other", title]).named(title, 100)[0]
