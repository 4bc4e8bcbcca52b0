import random

import pytest

from hnlm_ray.discover.files.sample import Overrides
from hnlm_ray.discover.found import LEFT
from hnlm_ray.discover.understanding import understand

WORDS = ("red", "blue", "tall", "small", "old", "new", "fine", "dark")


def rows(users, items, count=6000, seed=1):
    draw = random.Random(seed)
    return [
        (1 + draw.randrange(users), 1 + int(draw.random() ** 1.5 * items), draw.randrange(1, 6)) for _ in range(count)
    ]


def names(count):
    draw = random.Random(2)
    return [f"{draw.choice(WORDS)} {draw.choice(WORDS)} {number:04}".title() for number in range(1, count + 1)]


def write(path, lines):
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
    return str(path)


def read(paths, **wanted):
    """Return what was understood, and the questions, answered by their first choice."""
    asked = []

    def ask(question):
        asked.append(question)
        return 0

    return understand(paths, Overrides(**wanted), ask), asked


def films(folder, count):
    return write(folder / "films.csv", [(at, name, WORDS[at % 8]) for at, name in enumerate(names(count), 1)])


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
def test_of_two_columns_of_numbers_the_one_that_covers_the_items_file_is_the_item(tmp_path, order):
    ratings = write(tmp_path / "ratings.csv", [[row[at] for at in order] for row in rows(200, 400)])
    answer, asked = read([ratings, films(tmp_path, 400)])
    columns = answer.source["interactions"]["columns"]
    assert (columns["user"], columns["item"]) == (f"column_{order.index(0) + 1}", f"column_{order.index(1) + 1}")
    assert answer.source["items"]["columns"]["title"] == "column_2"
    assert not asked


def test_two_columns_that_cover_the_items_file_alike_are_asked_about(tmp_path):
    ratings = write(tmp_path / "ratings.csv", rows(390, 400))
    answer, (question,) = read([ratings, films(tmp_path, 400)])
    assert question.option == "--user and --item"
    assert len(question.choices) == 2
    assert "items" in answer.source


def test_a_file_about_the_users_describes_no_items(tmp_path):
    ratings = write(tmp_path / "r.csv", [("account", "thing", "stars"), *rows(300, 500)])
    lines = [("id", "name", "city"), *((at, name, WORDS[at % 8]) for at, name in enumerate(names(300), 1))]
    answer, _ = read([ratings, write(tmp_path / "sheet.csv", lines)], user="account", item="thing")
    assert "items" not in answer.source
    (use,) = [use for use in answer.uses if use.file.endswith("sheet.csv")]
    assert (use.role, use.why) == (LEFT, "id fits the users (account) better than the items (thing)")


def test_whole_numbers_do_not_lead_to_a_file_of_another_thing(tmp_path):
    ratings = write(tmp_path / "plays.csv", [("userID", "artistID", "rating"), *rows(90, 60)])
    tags = [("tagID", "tagValue"), *((at, name) for at, name in enumerate(names(60), 1))]
    answer, _ = read([ratings, write(tmp_path / "tags.csv", tags)])
    assert "items" not in answer.source


def log_of(tmp_path, header, key=str):
    """Write a log of 30 people who come in three sessions each; the times rise."""
    draw = random.Random(4)
    visits = sorted((draw.randrange(400), person, visit) for person in range(30) for visit in range(3))
    lines = [(key(person * 3 + visit), key(person), draw.randrange(40), 1_600_000_000 + day * 86_400 + click)
             for day, person, visit in visits for click in range(5)]  # fmt: skip
    return write(tmp_path / "log.csv", [header, *lines])


@pytest.mark.parametrize("names_of", [("sessionId", "userId"), ("session", "member"), ("device_id", "visitor_id")])
def test_a_person_goes_before_a_session_and_a_device(tmp_path, names_of):
    answer, asked = read([log_of(tmp_path, (*names_of, "itemId", "ts"))])
    columns = answer.source["interactions"]["columns"]
    assert (columns["user"], columns["item"], columns["timestamp"]) == (names_of[1], "itemId", "ts")
    assert not asked


def test_one_user_with_a_third_of_the_rows_and_a_few_marked_orders_are_warned_about(tmp_path):
    lines = [("customer_id", "product_id", "InvoiceNo", "date")]
    lines += [(0 if at % 3 == 0 else at % 29 + 1, at * 7 % 41, f"{'C' if at % 20 == 0 else ''}{at}",
               f"2020-01-{at % 28 + 1:02} 10:00:00") for at in range(300)]  # fmt: skip
    answer, _ = read([write(tmp_path / "r.csv", lines)])
    told = " ".join(answer.warnings)
    assert "customer_id is '0' in 33% of the rows" in told
    assert "InvoiceNo has a letter before the number in 15 rows" in told
