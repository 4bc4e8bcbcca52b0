"""Files as publishers, shops and spreadsheets write them: each is read right, or the user is asked or told."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from layouts import DAY, START, lines_of, rated, read, times, write

from hnlm_ray.base.errors import InputError
from hnlm_ray.discover.measure import core_of

ROWS = rated()
LIKED = [row[:2] for row in ROWS if row[2] >= 4]
PAIRS = [row[:2] for row in ROWS]


def spoilt(cell, at=7):
    """Return the rows with another text as one rating, and the pairs that are liked nevertheless."""
    rows = [(user, item, cell if place == at else rating) for place, (user, item, rating) in enumerate(ROWS)]
    return rows, [row[:2] for place, row in enumerate(ROWS) if row[2] >= 4 and place != at]


# Cells that are no number among ratings and times


@pytest.mark.parametrize(
    ("name", "cell"),
    [("rating", "NA"), ("Bewertung", "k.A."), ("note_client", "n/a"), ("calificación", "-"), ("評価", "NULL"),
     ("stars", "?"), ("overall", "nan"), ("rating", "\\N"), ("Rating", ""), ("score", "#N/A"), ("rating", "None"),
     ("user_rating", "N/A"), ("rating", "null")],
)  # fmt: skip
def test_a_rating_that_is_missing_in_words_leaves_the_others_as_they_are(tmp_path, name, cell):
    rows, liked = spoilt(cell)
    got = read(write(tmp_path / "r.csv", lines_of(rows, f"user_id,item_id,{name}")))
    assert (got.found.min_rating, got.liked, got.said) == (4, liked, "")


@pytest.mark.parametrize("cell", ["five", "not yet", "4 (?)", "see comment", "<3", "1O"])
def test_a_rating_that_is_no_number_is_asked_about_and_missing(tmp_path, cell):
    rows, liked = spoilt(cell)
    got = read(write(tmp_path / "r.csv", lines_of(rows)))
    assert (got.found.min_rating, got.liked) == (4, liked)
    assert "rating" in got.said


def test_many_words_for_missing_beside_each_other(tmp_path):
    words = ["NA", "", "null", "-", "n/a", "NaN"]
    rows = [(user, item, words[at % 6] if at % 4 == 0 else rating) for at, (user, item, rating) in enumerate(ROWS)]
    got = read(write(tmp_path / "r.csv", lines_of(rows)))
    assert got.found.min_rating == 4
    assert got.liked == [row[:2] for at, row in enumerate(ROWS) if at % 4 and row[2] >= 4]


def test_the_user_names_the_ratings_and_one_odd_cell_does_not_stop_it(tmp_path):
    rows, liked = spoilt("NA")
    got = read(write(tmp_path / "r.csv", lines_of(rows, "a,b,c")), user="a", item="b", rating="c")
    assert (got.found.min_rating, got.liked) == (4, liked)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("places", [(20,), (5, 60), (89,)])
def test_a_header_that_is_repeated_is_no_rating(tmp_path, separator, places):
    lines = lines_of(ROWS, separator.join(("user_id", "item_id", "rating")), separator)
    for place in places:
        lines.insert(place, lines[0])
    got = read(write(tmp_path / "r.csv", lines))
    assert (got.found.min_rating, got.liked) == (4, LIKED)


@pytest.mark.parametrize("total", ["Total,,312", "Summe,,312", ",,3.47", "TOTAL,90,312", "Average,,3.47"])
def test_a_row_of_totals_is_no_rating(tmp_path, total):
    got = read(write(tmp_path / "r.csv", [*lines_of(ROWS), total]))
    assert (got.found.min_rating, got.liked) == (4, LIKED)


@pytest.mark.parametrize(
    "form",
    ["{}.0 out of 5 stars", "{} out of 5 stars", "{}/5", "{} / 5", "{} stars", "{} von 5", "{} sur 5", "{} Sterne",
     "{}.0 out of 5", "{}★", "Rated {} out of 5", "{},0 von 5 Sternen", "{} étoiles"],
)  # fmt: skip
def test_ratings_in_words_around_their_number(tmp_path, form):
    rows = [(user, item, form.format(rating)) for user, item, rating in ROWS]
    got = read(write(tmp_path / "r.csv", lines_of(rows, "user_id;item_id;rating", ";")))
    assert got.liked == LIKED


@pytest.mark.parametrize(("separator", "quote"), [(";", ""), ("\t", ""), (",", '"'), ("|", '"')])
@pytest.mark.parametrize("steps", [90, 9])
def test_decimal_commas_are_numbers(tmp_path, separator, quote, steps):
    values = [round(1 + 9 * ((at * 37) % steps) / (steps - 1), 2) for at in range(len(ROWS))]
    texts = [f"{quote}{value:.2f}{quote}".replace(".", ",") for value in values]
    rows = [(user, item, text) for (user, item, _), text in zip(ROWS, texts, strict=True)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, separator.join(("Kunde", "Artikel", "Bewertung")), separator)))
    assert [row[2] for row in got.rows] == pytest.approx(values, abs=1e-5)
    assert 5 < got.found.min_rating <= 8


def test_decimal_commas_beside_whole_numbers_and_missing_ones(tmp_path):
    texts = [("4,5", "3", "NA", "1,5", "5", "2,5")[at % 6] for at in range(len(ROWS))]
    rows = [(user, item, text) for (user, item, _), text in zip(ROWS, texts, strict=True)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, "user;item;rating", ";")))
    assert {pair for pair, text in zip(PAIRS, texts, strict=True) if text in {"4,5", "5"}} == set(got.liked)


@pytest.mark.parametrize("grades", ["ABCDE", ["calm", "wild", "odd", "dry", "blue"]])
def test_ratings_that_nobody_can_read_never_make_every_row_a_positive_without_a_word(tmp_path, grades):
    rows = [(user, item, grades[rating - 1]) for user, item, rating in ROWS]
    liked, said = read_or_refused(write(tmp_path / "r.csv", lines_of(rows)))
    assert "rating" in said
    assert len(liked) < len(ROWS)


def read_or_refused(path):
    """Return the positives and what was said of the file, be it by an error."""
    try:
        got = read(path)
    except InputError as error:
        return [], str(error)
    return got.liked, got.said


@pytest.mark.parametrize("cell", ["NULL", "0", "", "-", "0000-00-00"])
@pytest.mark.parametrize(
    "form", [str, lambda second: str(second * 1000 + 7), lambda second: str(second * 10**6 + 7),
             lambda second: datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S"),
             lambda second: datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S.123 UTC")],
    ids=["s", "ms", "us", "text", "utc"],
)  # fmt: skip
def test_a_time_that_is_missing_leaves_the_others_as_they_are(tmp_path, form, cell):
    seconds = times(len(ROWS))
    texts = [cell if at == 11 else form(second) for at, second in enumerate(seconds)]
    rows = [(*row, text) for row, text in zip(ROWS, texts, strict=True)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, "user_id,item_id,rating,timestamp")))
    wanted = [(*row[:2], second) for row, second in zip(ROWS, seconds, strict=True)]
    assert [(*row[:2], row[3]) for row in got.rows if row[:2] != PAIRS[11]] == wanted[:11] + wanted[12:]
    assert all(when is None for *pair, _, when in got.rows if tuple(pair) == PAIRS[11])


def test_the_user_names_microseconds_as_times(tmp_path):
    rows = [(*row, second * 10**6) for row, second in zip(ROWS, times(len(ROWS)), strict=True)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, "user_id,item_id,rating,happened")), time="happened")
    assert got.times == times(len(ROWS))


@pytest.mark.parametrize("name", ["timestamp", "Datum", "date", "created_at"])
def test_times_that_nobody_can_read_are_asked_about_or_warned_of(tmp_path, name):
    rows = [(*row, f"week {at % 50 + 1}, year {2018 + at % 3}") for at, row in enumerate(ROWS)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, f"user_id;item_id;rating;{name}", ";")))
    assert name in got.said
    assert (got.reviews, got.liked) == ([], LIKED)


# Numbers that stand for "not rated", and slips of the pen


def scaled(low, high, count=90):
    return [(user, item, low + (at * 7 + at // 5) % (high - low + 1)) for at, (user, item, _) in enumerate(ROWS)]


@pytest.mark.parametrize(
    ("low", "high", "sentinel"),
    [(1, 5, 99), (1, 5, 0), (1, 5, -1), (1, 5, 255), (1, 5, 999), (1, 5, 9), (1, 5, -99), (1, 5, 88), (0, 5, 99),
     (1, 10, 99), (1, 10, 0), (1, 10, -1), (1, 10, 255), (-10, 10, 99), (0, 10, 999), (1, 7, 99), (0, 100, 255),
     (0, 100, -1), (0, 100, 999)],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.03, 0.5])
def test_a_number_for_not_rated_is_no_rating(tmp_path, low, high, sentinel, share):
    rows = scaled(low, high)
    without = {at for at in range(len(rows)) if (at * 31) % len(rows) < share * len(rows)}
    mixed = [(*row[:2], sentinel if at in without else row[2]) for at, row in enumerate(rows)]
    got = read(write(tmp_path / "r.csv", lines_of(mixed)))
    rest = [row for at, row in enumerate(rows) if at not in without]
    top, middle = high - 0.2 * (high - low), (low + high) / 2
    assert {row[:2] for row in rest if row[2] >= top} <= set(got.liked)
    assert not {row[:2] for row in rest if row[2] <= middle} & set(got.liked)
    assert not {rows[at][:2] for at in without} & set(got.liked)


@pytest.mark.parametrize("typo", ["55", "44", "50", "45", "555", "-4"])
def test_a_slip_of_the_pen_is_no_rating(tmp_path, typo):
    rows, liked = spoilt(typo)
    got = read(write(tmp_path / "r.csv", lines_of(rows)))
    assert (got.found.min_rating, got.liked) == (4, liked)
    assert typo in got.said


@pytest.mark.parametrize(("low", "high", "kept"), [(0, 100, 99), (1, 10, 9), (-10, 10, -1), (0, 10, 0), (0, 5, 0)])
def test_a_number_that_the_scale_has_is_a_rating(tmp_path, low, high, kept):
    rows = scaled(low, high)
    rows[4] = (*rows[4][:2], kept)
    got = read(write(tmp_path / "r.csv", lines_of(rows)))
    assert [row[2] for row in got.rows] == [row[2] for row in rows]
    assert got.said == ""


# Without names


@pytest.mark.parametrize("separator", [",", "\t", "::", " "])
@pytest.mark.parametrize("form", ["rated and timed", "rated", "timed", "bare", "counted"])
def test_without_names_the_first_column_is_the_user_though_there_are_more_items(tmp_path, separator, form):
    pairs = [(user, 1 + (user * 7 + step * 11) % 83) for user in range(1, 13) for step in range(17)]
    more = {
        "rated and timed": lambda at: (at % 5 + 1, 880_000_000 + at * 997),
        "rated": lambda at: (at % 5 + 1,),
        "timed": lambda at: (880_000_000 + at * 997,),
        "bare": lambda at: (),
        "counted": lambda at: (at * at % 391 + 1,),
    }[form]
    rows = [(*pair, *more(at)) for at, pair in enumerate(pairs)]
    got = read(write(tmp_path / "x.dat", [separator.join(map(str, row)) for row in rows]))
    assert got.pairs == [tuple(map(str, pair)) for pair in pairs]
    if form.startswith("rated"):
        assert got.found.min_rating == 4
    if form == "counted":
        assert got.found.min_rating is None


def test_plays_of_artists_by_hashes_and_names_without_a_header(tmp_path):
    rows = [
        (f"{user * 7919:040x}", f"{artist * 104729:08x}-0000-4000-8000-{artist:012x}", f"The Band {artist}", plays)
        for user in range(14)
        for artist, plays in ((((user * 5 + step * 9) % 61), 300 - 11 * step) for step in range(13))
    ]
    got = read(write(tmp_path / "plays.tsv", ["\t".join(map(str, row)) for row in rows]))
    assert {user for user, _ in got.pairs} == {row[0] for row in rows}
    assert {item for _, item in got.pairs} in ({row[1] for row in rows}, {row[2] for row in rows})
    assert got.found.min_rating is None


@pytest.mark.parametrize("name", ["u.data", "copy of u.data", "ml.txt"])
def test_movielens_ratings_without_a_header(tmp_path, name):
    rows = [(user, 1 + (user * 13 + step * 7) % 97, step % 5 + 1, 880_000_000 + user * 50 + step)
            for user in range(1, 31) for step in range(12)]  # fmt: skip
    got = read(write(tmp_path / name, ["\t".join(map(str, row)) for row in rows]))
    assert got.pairs == [(str(user), str(item)) for user, item, *_ in rows]
    assert got.times == [row[3] for row in rows]
    assert got.found.min_rating == 4


# Stray quotes


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("odd", [{2: '"Heroes', 5: 'Low"'}, {1: '7" Single', 6: '12" Mix'}, {3: '"', 4: '"'},
                                 {2: '"Help'}, {0: 'The "Wall', 7: 'Blue" Train'}])  # fmt: skip
def test_stray_quotes_in_titles_swallow_no_items(tmp_path, separator, odd):
    titles = [odd.get(at, f"Song {at}") for at in range(8)]
    tracks = [f"t{at}{separator}{title}{separator}Artist {at % 3}" for at, title in enumerate(titles)]
    plays = write(tmp_path / "plays.csv", ["user,item", *(f"u{n % 6},t{n % 8}" for n in range(48) if n % 5)])
    got = read(plays, write(tmp_path / "tracks.txt", [separator.join(("item", "title", "artist")), *tracks]))
    told = got.items(*(f"t{at}" for at in range(8)))
    assert {key: item["title"] for key, item in told.items()} == {f"t{at}": title for at, title in enumerate(titles)}


@pytest.mark.parametrize("odd", [{3: '"usb cable', 11: 'hdmi"'}, {2: '"a', 9: '"b'}, {4: '19" rack', 5: '24" screen'}])
def test_stray_quotes_in_a_log_swallow_no_rows(tmp_path, odd):
    rows = [(f"u{n % 5}", odd.get(n, f"lamp {n}"), f"i{n % 4}") for n in range(20)]
    got = read(write(tmp_path / "log.tsv", lines_of(rows, "user\tquery\titem", "\t")))
    assert got.pairs == [(user, item) for user, _, item in rows]


def test_quotes_that_hold_separators_and_line_ends_are_quotes(tmp_path):
    rows = [(user, item, rating, f'"It is, in a word,\nsomething of a ""{item}"" that I like {rating}"')
            for user, item, rating in ROWS]  # fmt: skip
    got = read(write(tmp_path / "r.csv", lines_of(rows, "user_id,item_id,rating,review")))
    assert (got.pairs, got.liked, got.measured.bad) == (PAIRS, LIKED, 0)


# Several files


def parts(folder, names):
    for at, name in enumerate(names):
        write(folder / name, lines_of([(*row, START + n) for n, row in enumerate(ROWS)][at :: len(names)],
                                      "user_id,item_id,rating,timestamp"))  # fmt: skip


@pytest.mark.parametrize("path", [".", "./", "./part-*.csv", "part-*.csv", "./sub/..", "../here", "..//here/"])
@pytest.mark.parametrize("names", [
    ["part-00000-abc.csv", "part-00001-abc.csv", "part-00002-abc.csv"],
    ["part-1.csv", "part-2.csv", "part-10.csv", "part-11.csv"],
])  # fmt: skip
def test_all_parts_are_read_from_within_their_folder(tmp_path, monkeypatch, path, names):
    here = tmp_path / "here"
    parts(here, names)
    (here / "sub").mkdir()
    monkeypatch.chdir(here)
    assert sorted(read(path).pairs) == sorted(PAIRS)


@pytest.mark.parametrize("path", ["sub", "./sub", "sub/", "./sub/", "sub//", "./sub/*.csv", "sub//*.csv", "sub/../sub",
                                  "./sub/../sub/*.csv", "link"])  # fmt: skip
def test_all_parts_are_read_from_above_their_folder(tmp_path, monkeypatch, path):
    parts(tmp_path / "sub", ["part-0.csv", "part-1.csv", "part-2.csv"])
    (tmp_path / "link").symlink_to("sub")
    monkeypatch.chdir(tmp_path)
    assert sorted(read(path).pairs) == sorted(PAIRS)


def test_parts_of_years_are_read_beside_other_files(tmp_path, monkeypatch):
    parts(tmp_path, ["ratings_2019.csv", "ratings_2020.csv"])
    write(tmp_path / "README.md", ["# What this is", "", "Ratings of two years."])
    monkeypatch.chdir(tmp_path)
    assert sorted(read("./").pairs) == sorted(PAIRS)


@pytest.mark.parametrize("names", [("train.csv", "test.csv"), ("train.csv", "valid.csv", "test.csv"),
                                   ("ratings_train.csv", "ratings_test.csv"), ("training.csv", "testing.csv"),
                                   ("ua.train.csv", "ua.test.csv"), ("TRAIN.csv", "TEST.csv"),
                                   ("books-train.csv", "books-dev.csv", "books-test.csv")])  # fmt: skip
def test_a_split_that_file_names_tell_is_kept_or_asked_about(tmp_path, names):
    for at, name in enumerate(names):
        write(tmp_path / name, lines_of([row for n, row in enumerate(ROWS) if max(0, n % 6 - 3) == at]))
    got = read(*(tmp_path / name for name in names))
    assert got.found.given or "split" in got.said


def test_a_split_does_not_take_other_files_of_like_names(tmp_path):
    write(tmp_path / "train.csv", lines_of(ROWS[:60]))
    write(tmp_path / "test.csv", lines_of(ROWS[60:]))
    write(tmp_path / "titles.csv", ["item_id,title", *(f"i{n},Film {n}" for n in range(9))])
    got = read(tmp_path)
    assert sorted(got.pairs) == sorted(PAIRS)
    assert got.items("i3")["i3"]["title"] == "Film 3"
    assert got.found.given or "split" in got.said


def test_plays_win_over_tags_or_the_user_is_asked(tmp_path):
    friends = [(user, (user + step) % 25) for user in range(25) for step in (1, 2, 3)]
    plays = [(user, (user * 3 + step * 5) % 40, 900 - step * 31) for user in range(25) for step in range(20)]
    tags = [
        (user, (user * 7 + step) % 40, step % 30, 1 + step % 27, 1 + step % 12, 2008)
        for user in range(25)
        for step in range(60)
    ]
    write(tmp_path / "artists.dat", ["id\tname\turl", *(f"{n}\tBand {n}\thttp://m/{n}" for n in range(40))])
    write(tmp_path / "user_artists.dat", lines_of(plays, "userID\tartistID\tweight", "\t"))
    write(tmp_path / "user_taggedartists.dat", lines_of(tags, "userID\tartistID\ttagID\tday\tmonth\tyear", "\t"))
    write(tmp_path / "tags.dat", ["tagID\ttagValue", *(f"{n}\ttag no {n}" for n in range(30))])
    write(tmp_path / "user_friends.dat", lines_of(friends, "userID\tfriendID", "\t"))
    got = read(tmp_path)
    listened = got.pairs == [(str(user), str(artist)) for user, artist, _ in plays]
    assert listened or "user_artists.dat" in got.said
    assert got.items("7")["7"]["title"] == "Band 7"


def test_ratings_win_over_tags_or_the_user_is_asked(tmp_path):
    rows = [(*row, START + n) for n, row in enumerate(ROWS)]
    tags = [(user, item, f"tag {n % 9}", START + n) for n, (user, item, _) in enumerate(ROWS * 3)]
    write(tmp_path / "ratings.csv", lines_of(rows, "userId,itemId,rating,timestamp"))
    write(tmp_path / "tags.csv", lines_of(tags, "userId,itemId,tag,timestamp"))
    got = read(tmp_path)
    assert got.liked == LIKED or "ratings.csv" in got.said


# Orders and baskets


def baskets():
    return [(order, product, place, order % 2) for order in range(1, 61)
            for place, product in enumerate({(order * 3 + step * 7) % 23 for step in range(4)}, start=1)]  # fmt: skip


@pytest.mark.parametrize(("orders", "lines"), [
    ("order_id,user_id,order_number", "order_id,product_id,add_to_cart_order,reordered"),
    ("Bestellnummer,Kundennummer,Bestellzaehler", "Bestellnummer,Artikelnummer,Position,Wiederkauf"),
    ("id_commande,id_client,rang", "id_commande,id_produit,ligne,deja_achete"),
])  # fmt: skip
def test_the_user_in_a_file_linked_by_the_order_is_named_not_replaced(tmp_path, orders, lines):
    heads = [(order, order % 12, 1 + order // 12) for order in range(1, 61)]
    paths = [write(tmp_path / "orders.csv", lines_of(heads, orders)),
             write(tmp_path / "lines.csv", lines_of(baskets(), lines))]  # fmt: skip
    with pytest.raises(InputError) as error:
        read(*paths)
    assert orders.split(",")[0] in str(error.value)
    assert orders.split(",")[1] in str(error.value)


def test_flags_and_ranks_beside_user_and_product_are_neither(tmp_path):
    rows = [(product, flag, place, 1 + order // 12, order, order % 12) for order, product, place, flag in baskets()]
    header = "product_id,reordered,add_to_cart_order,order_number,order_id,user_id"
    got = read(write(tmp_path / "orders.csv", lines_of(rows, header)))
    assert got.pairs == [(str(row[5]), str(row[0])) for row in rows]
    assert got.found.min_rating is None or "reordered" in got.said


# Times


def written(second, pattern, zone=UTC):
    return datetime.fromtimestamp(second, zone).strftime(pattern)


MOUNTAIN = timezone(timedelta(hours=-7))


@pytest.mark.parametrize(("name", "pattern"), [
    ("date_updated", "%a %b %d %H:%M:%S -0700 %Y"), ("read_at", "%a %b %d %H:%M:%S -0700 %Y"),
    ("last change", "%A, %d %B %Y at %H:%M"), ("date_started", "%a %b %d %Y %H:%M:%S GMT-0700 (MST)"),
    ("when_seen", "%A %d %B %Y %H:%M:%S"),
])  # fmt: skip
def test_a_second_column_of_times_is_no_review(tmp_path, name, pattern):
    seconds = times(len(ROWS))
    added = [written(second, "%a %b %d %H:%M:%S -0700 %Y", MOUNTAIN) for second in seconds]
    later = [written(second + 31 * DAY, pattern, MOUNTAIN) for second in seconds]
    rows = [(*row, *both) for row, *both in zip(ROWS, added, later, strict=True)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, f"user_id;item_id;rating;date_added;{name}", ";")))
    assert (got.reviews, got.liked) == ([], LIKED)
    assert got.times == seconds


@pytest.mark.parametrize(("name", "zone"), [
    ("timestamp", "(CEST)"), ("Datum", "(Mitteleuropäische Sommerzeit)"), ("created", ""),
    ("time", "(Central European Summer Time)"),
])  # fmt: skip
def test_dates_of_javascript_are_times(tmp_path, name, zone):
    seconds = times(len(ROWS))
    summer = timezone(timedelta(hours=2))
    texts = [written(second, f"%a %b %d %Y %H:%M:%S GMT+0200 {zone}", summer).strip() for second in seconds]
    rows = [(*row, text) for row, text in zip(ROWS, texts, strict=True)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, f"user_id,item_id,rating,{name}")))
    assert (got.times, got.reviews) == (seconds, [])


@pytest.mark.parametrize(("few", "many"), [(1, 1000), (1000, 1), (10**6, 1000), (1000, 10**6)])
@pytest.mark.parametrize("every", [3, 20])
def test_seconds_and_milliseconds_in_one_file_are_read_each_by_its_size(tmp_path, few, many, every):
    seconds = times(len(ROWS))
    texts = [second * (few if at % every == 0 else many) for at, second in enumerate(seconds)]
    rows = [(*row, text) for row, text in zip(ROWS, texts, strict=True)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, "user_id,item_id,rating,timestamp")))
    wrong = [(true, when) for true, when in zip(seconds, got.times, strict=False) if when != true]
    assert not wrong or (all(when is None for _, when in wrong) and "timestamp" in got.said)


@pytest.mark.parametrize("name", ["timestamp", "Datum", "日時"])
@pytest.mark.parametrize(("pattern", "exact"), [("%Y%m%d%H%M", 60), ("%Y%m%d%H", 3600), ("%Y%m%d%H%M%S", 1),
                                                ("%Y%m%d", DAY), ("%y%m%d", DAY)])  # fmt: skip
def test_digits_of_a_date_are_a_date(tmp_path, name, pattern, exact):
    seconds = times(len(ROWS))
    rows = [(*row, written(second, pattern)) for row, second in zip(ROWS, seconds, strict=True)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, f"user_id,item_id,rating,{name}")))
    assert got.times == [second - second % exact for second in seconds]


# Words for missing among ids and titles


@pytest.mark.parametrize(
    "words", [["NULL"], ["nan"], ["None"], ["\\N"], ["NULL", "nan", "\\N"], ["NA", "<NA>", "null"]]
)
@pytest.mark.parametrize("side", [0, 1])
def test_a_word_for_missing_is_no_user_and_no_item(tmp_path, words, side):
    rows = [list(map(str, row)) for row in ROWS]
    for at in range(0, len(rows), 9):
        rows[at][side] = words[at % len(words)]
    got = read(write(tmp_path / "r.csv", lines_of(rows)))
    assert got.pairs == [row[:2] for at, row in enumerate(ROWS) if at % 9]


@pytest.mark.parametrize("word", ["NULL", "nan", "None", "\\N"])
def test_a_word_for_missing_is_no_title_and_no_fact(tmp_path, word):
    titles = [word if at % 3 == 0 else f"Red Harbour {at}" for at in range(9)]
    genres = [word if at % 4 == 1 else ("Drama", "War")[at % 2] for at in range(9)]
    items = [f"i{at},{title},{genre}" for at, (title, genre) in enumerate(zip(titles, genres, strict=True))]
    got = read(write(tmp_path / "r.csv", lines_of(ROWS)), write(tmp_path / "i.csv", ["item_id,title,genre", *items]))
    told = got.items(*(f"i{at}" for at in range(9)))
    for at in range(9):
        item = told.get(f"i{at}", {"title": None, "attributes": ()})
        assert item["title"] == (None if at % 3 == 0 else titles[at])
        assert word not in dict(item["attributes"] or ()).values()


# Headers


@pytest.mark.parametrize("header", [
    "user_id,item_id,rating,rating", "user_id,item_id,rating,user_id", "user_id,item_id,rating,item_id",
    "user_id,item_id,rating,", "challenge_export_of_the_year_anonymised_training_part.user_id,item_id,rating,extra",
    "user_id,item_id,rating," + "a_very_long_name_" * 6, "user_id,item_id,rating,RATING",
    "user_id,item_id,rating,Rating given by the user when the purchase was confirmed by the shop (1 to 5)",
])  # fmt: skip
@pytest.mark.parametrize("last", ["same", "other"])
def test_a_header_with_a_name_twice_a_long_name_or_a_blank_is_a_header(tmp_path, header, last):
    again = {"user_id": 0, "item_id": 1}.get(header.rpartition(",")[2], 2)
    rows = [(*row, row[again] if last == "same" else f"x{at % 4}") for at, row in enumerate(ROWS)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, header)))
    assert (got.pairs, got.found.min_rating, got.liked) == (PAIRS, 4, LIKED)


@pytest.mark.parametrize(("separator", "lines"), [
    (";", lambda lines: ["sep=;", *lines]),
    (",", lambda lines: ["sep=,", *lines]),
    ("\t", lambda lines: ["# Nodes: 12 Edges: 90", "# by the survey of 2019", *lines]),
    (",", lambda lines: ["% bipartite weighted", "% 90 12 9", *lines]),
    (" ", lambda lines: ["% bip weighted", *lines]),
    (",", lambda lines: [f"{line}," for line in lines]),
    (";", lambda lines: [*lines[:1], *(f"{line};" for line in lines[1:])]),
    (",", lambda lines: [lines[0], *(f"{at},{line}" for at, line in enumerate(lines[1:], start=1))]),
    (",", lambda lines: [lines[0], *(f'"{at}",{line}' for at, line in enumerate(lines[1:], start=1))]),
    (",", lambda lines: ["Report of the shop", "", *lines]),
    (";", lambda lines: ["Auswertung 2019;;", "erstellt am 01.02.2020;;", *lines]),
    ("\t", lambda lines: ["", "", *lines]),
], ids=["sep=;", "sep=,", "SNAP", "KONECT", "KONECT blanks", "trailing", "trailing rows", "row names",
        "quoted row names", "title", "spreadsheet", "blank lines"])  # fmt: skip
def test_lines_above_and_cells_beside_the_table_are_no_part_of_it(tmp_path, separator, lines):
    written_lines = lines(lines_of(ROWS, separator.join(("user", "item", "rating")), separator))
    got = read(write(tmp_path / "r.csv", written_lines))
    assert (got.pairs, got.found.min_rating, got.liked) == (PAIRS, 4, LIKED)


def test_names_in_a_comment_above_pairs(tmp_path):
    pairs = [(user, 1000 + (user * 5 + step * 3) % 31) for user in range(12) for step in range(8)]
    lines = ["# Nodes: 43 Edges: 96", "# FromNodeId\tToNodeId", *(f"{user}\t{item}" for user, item in pairs)]
    got = read(write(tmp_path / "snap.txt", lines))
    assert got.pairs == [(str(user), str(item)) for user, item in pairs]


def test_a_byte_order_mark_before_the_separators_line(tmp_path):
    lines = ["sep=;", *lines_of(ROWS, "user;item;rating", ";")]
    for encoding in ("utf-8-sig", "utf-16"):
        assert read(write(tmp_path / "r.csv", lines, encoding)).liked == LIKED


# Python literals


@pytest.mark.parametrize("form", [
    "{{u'username': 'anna{0}', u'hours': {2}.5, u'product_id': '{1}', u'text': \"it's good\"}}",
    "{{'user_id': 'anna{0}', 'early_access': False, 'product_id': '{1}', 'found': None, 'text': 'fine, really'}}",
    "{{'product_id': '{1}', u'user': u'anna{0}', 'tags': ['a', 'b'], 'page': {{'no': 1}}, 'hours': {2}}}",
])  # fmt: skip
@pytest.mark.parametrize("name", ["reviews.json", "reviews.txt"])
def test_python_literals_are_read_as_objects(tmp_path, form, name):
    rows = [(user, 700 + (user * 7 + step * 3) % 23, step) for user in range(14) for step in range(8)]
    got = read(write(tmp_path / name, [form.format(*row) for row in rows]))
    assert got.pairs == [(f"anna{user}", str(product)) for user, product, _ in rows]


# What counts as a like


@pytest.mark.parametrize(("name", "kinds", "strongest"), [
    ("event", ["view", "view", "addtocart", "transaction"], "transaction"),
    ("event_type", ["view", "cart", "purchase", "remove_from_cart"], "purchase"),
    ("behavior", ["pv", "pv", "fav", "cart", "buy"], "buy"),
    ("Aktion", ["angesehen", "Warenkorb", "gekauft"], "gekauft"),
    ("action", ["vue", "panier", "achat"], "achat"),
    ("type", ["click", "click", "order"], "order"),
    ("行为", ["浏览", "收藏", "购买"], "购买"),
])  # fmt: skip
def test_kinds_of_events_are_asked_about_and_the_strongest_is_first(tmp_path, name, kinds, strongest):
    rows = [(user, item, kinds[at % len(kinds)], START + at) for at, (user, item, _) in enumerate(ROWS)]
    got = read(write(tmp_path / "log.csv", lines_of(rows, f"user_id,item_id,{name},timestamp")))
    assert name in got.said
    assert got.pairs == [row[:2] for row in rows if row[2] == strongest]


def test_events_in_numbers_are_asked_about(tmp_path):
    rows = [(user, item, (1, 1, 2, 3, 4)[at % 5], START + at) for at, (user, item, _) in enumerate(ROWS)]
    got = read(write(tmp_path / "log.csv", lines_of(rows, "user_id,item_id,behavior_type,time")))
    assert "behavior_type" in got.said


@pytest.mark.parametrize("name", ["Quantity", "Menge", "quantité", "qty"])
def test_returns_are_no_likes(tmp_path, name):
    amounts = [-1 if at % 11 == 3 else 1 + at % 4 for at in range(len(ROWS))]
    rows = [(user, item, amount) for (user, item, _), amount in zip(ROWS, amounts, strict=True)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, f"CustomerID;StockCode;{name}", ";")))
    assert name in got.said
    assert got.liked == [row[:2] for row in rows if row[2] > 0]


@pytest.mark.parametrize(
    "names", ["click,like", "is_click,is_like,long_view", "clicked,purchased", "like,follow,forward"]
)
def test_several_columns_of_approval_are_asked_about(tmp_path, names):
    columns = names.split(",")
    rows = [(user, item, *(int((at * 7 + which) % (2 + 3 * which) == 0) for which in range(len(columns))))
            for at, (user, item, _) in enumerate(ROWS)]  # fmt: skip
    got = read(write(tmp_path / "log.csv", lines_of(rows, f"user_id,video_id,{names}")))
    assert all(column in got.said for column in columns[:2])


def test_a_rating_that_was_taken_back_is_no_positive_for_the_core(tmp_path):
    later = [(user, item, 1 if at % 2 else 5, START + DAY + at) for at, (user, item, _) in enumerate(ROWS)]
    rows = [*((user, item, 5, START + at) for at, (user, item, _) in enumerate(ROWS)), *later]
    got = read(write(tmp_path / "r.csv", lines_of(rows, "user,item,rating,timestamp")))
    core = core_of(got.measured, got.found.min_rating, None)
    assert core.positives <= sum(rating == 5 for _, _, rating, _ in later)


# Large numbers as ids


def test_clicks_of_sessions_with_large_ids_of_items(tmp_path):
    rows = [(session, f"2014-04-{1 + step:02}T10:51:09.277Z", 214_536_500 + (session * 3 + step * 7) % 31, 0)
            for session in range(1, 21) for step in range(6)]  # fmt: skip
    got = read(write(tmp_path / "clicks.dat", [",".join(map(str, row)) for row in rows]))
    assert got.pairs == [(str(row[0]), str(row[2])) for row in rows]
    assert got.times[:1] == [int(datetime(2014, 4, 1, 10, 51, 9, tzinfo=UTC).timestamp())]


def test_games_by_large_ids_of_users(tmp_path):
    games = ["The Elder Scrolls V Skyrim", "Fallout 4", "Spore", "Left 4 Dead 2", "Team Fortress 2", "Dota 2", "Rust"]
    owned = [(151_603_712 + 7919 * user, game) for user in range(20) for game in games[user % 3 : user % 3 + 5]]
    lines = [f'{user},"{game}",{told},0' for user, game in owned for told in ("purchase,1.0", f"play,{user % 90}.5")]
    got = read(write(tmp_path / "steam-200k.csv", lines))
    assert set(got.pairs) == {(str(user), game) for user, game in owned}


@pytest.mark.parametrize(("first", "second"), [(5 * 10**7, 10**8), (3 * 10**9, 2 * 10**9), (76561197960265728, 440),
                                               (10**9, 3), (7, 1_400_000_000)])  # fmt: skip
@pytest.mark.parametrize("timed", [True, False])
def test_large_numbers_that_come_again_are_ids_without_a_header(tmp_path, first, second, timed):
    rows = [(first + user * 104_729, second + ((user * 3 + step * 7) % 29) * 1_299_709, START + user * 9000 + step * 61)
            for user in range(20) for step in range(7)]  # fmt: skip
    lines = [",".join(map(str, row if timed else row[:2])) for row in rows]
    got = read(write(tmp_path / "x.csv", lines))
    assert got.pairs == [(str(row[0]), str(row[1])) for row in rows]
    assert got.times == [row[2] if timed else None for row in rows]


# Ids in another dress


@pytest.mark.parametrize(("mine", "theirs"), [
    ("{}.0", "{}"), ("{}", "{}.0"), ("{:05d}", "{}"), ("{}", "{:05d}"), ("Ab{}x", "aB{}X"), ("sku-{}", "SKU-{}"),
    ("i{} ", "i{}"), ("i{}", "  i{}"), ("Cafe\u0301 {}", "Caf\u00e9 {}"), ("i{}", "\uff49{}"),
])  # fmt: skip
def test_ids_that_differ_in_dress_are_linked_or_told_of(tmp_path, mine, theirs):
    rows = [(user, mine.format(int(item[1:])), rating) for user, item, rating in ROWS]
    items = [(theirs.format(at), f"Title no {at}") for at in range(9)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, "user_id;item_id;rating", ";")),
               write(tmp_path / "i.csv", lines_of(items, "item_id;title", ";")))  # fmt: skip
    told = got.items(*{item for _, item in got.pairs})
    linked = len(told) == 9 and all(item["title"].startswith("Title no") for item in told.values())
    assert linked or ("%" in got.said and "i.csv" in got.said)
    assert got.said


def test_half_of_the_ids_in_another_dress_are_told_of(tmp_path):
    rows = [(user, item + " " * (at % 2), rating) for at, (user, item, rating) in enumerate(ROWS)]
    items = [(f"i{at}", f"Title no {at}") for at in range(9)]
    got = read(write(tmp_path / "r.csv", lines_of(rows)), write(tmp_path / "i.csv", lines_of(items, "item_id,title")))
    assert got.said


@pytest.mark.parametrize("each", [2, 3])
def test_an_item_in_several_rows_of_its_file_is_described_and_told_of(tmp_path, each):
    genres = ["Drama", "War", "Comedy"]
    items = [(f"i{at}", f"Title no {at}", genres[which]) for at in range(9) for which in range(each)]
    got = read(
        write(tmp_path / "r.csv", lines_of(ROWS)), write(tmp_path / "i.csv", lines_of(items, "item_id,title,category"))
    )
    assert got.items("i4")["i4"]["title"] == "Title no 4"
    assert "i.csv" in got.said


# What is no table


@pytest.mark.parametrize(("data", "told"), [
    (b"", "empty"), (b"\n\n\n", ""), (b"user,item\n", ""), (b"\0" * 300, ""), (b"user,item\nu1,i1\n", ""),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n", "LFS"),
    (b"\x80\x02]q\x00(K\x01K\x02e.", "pickle"), (b"\x80\x03]q\x00(K\x01K\x02e.", "pickle"),
    (b"\x80\x05\x95\x0b\0\0\0\0\0\0\0]", "pickle"),
    (b"ARROW1\0\0\xff\xff\xff\xff" + b"\0" * 90, "Arrow|Feather"), (b"FEA1" + b"\0\1\2\3" * 40, "Arrow|Feather"),
    (b"ORC\x08\x03\x10\x03" + b"\0\1\2\3" * 40, "ORC"),
    (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + b" " * 80 + b"\0\1IM" + b"\0\1\2\3" * 40, "MAT"),
    (b"\x89HDF\r\n\x1a\n" + b"\0\1\2\3" * 40, "HDF"), (b"\x93NUMPY\x01\0v\0" + b"\0\1\2\3" * 40, "NumPy"),
    (b"SQLite format 3\0" + b"\0\1\2\3" * 40, "SQLite"),
])  # fmt: skip
def test_what_is_no_table_of_interactions_is_named_in_one_sentence(tmp_path, data, told):
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(InputError, match=f"(?i){told}") as error:
        read(tmp_path / "a.csv")
    assert "\n" not in str(error.value)
    assert "a.csv" in str(error.value)


# Smaller ones


@pytest.mark.parametrize("name", ["Note", "Schulnote", "note"])
def test_school_grades_of_which_one_is_the_best(tmp_path, name):
    grades = [("1", "2", "1", "3", "2", "4", "1", "6", "2", "5")[at % 10] for at in range(len(ROWS))]
    rows = [(user, item, grade) for (user, item, _), grade in zip(ROWS, grades, strict=True)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, f"Kunde;Artikel;{name}", ";")))
    assert name in got.said
    assert {pair for pair, grade in zip(PAIRS, grades, strict=True) if grade == "1"} <= set(got.liked)
    assert not {pair for pair, grade in zip(PAIRS, grades, strict=True) if grade in "56"} & set(got.liked)


@pytest.mark.parametrize(("name", "top"), [("note", 20), ("note", 10), ("nota", 10)])
def test_marks_of_which_the_greatest_is_the_best(tmp_path, name, top):
    marks = [top - (at * 7) % top for at in range(len(ROWS))]
    rows = [(user, item, mark) for (user, item, _), mark in zip(ROWS, marks, strict=True)]
    got = read(write(tmp_path / "r.csv", lines_of(rows, f"client;produit;{name}", ";")))
    assert {pair for pair, mark in zip(PAIRS, marks, strict=True) if mark >= 0.8 * top} <= set(got.liked)
    assert not {pair for pair, mark in zip(PAIRS, marks, strict=True) if mark <= top / 2} & set(got.liked)


@pytest.mark.parametrize("items", [["item_id;vector", *(f"i{at};[0.{at}, 0.5, 0.25]" for at in range(9))],
                                   ["item_id;image", *(f"i{at};http://x/{at}.jpg" for at in range(9))]])  # fmt: skip
def test_items_without_a_word_about_them_are_not_described(tmp_path, items):
    got = read(write(tmp_path / "r.csv", lines_of(ROWS)), write(tmp_path / "i.csv", items))
    columns = got.found.source.get("items", {"columns": None})["columns"]
    assert columns is None or columns.get("title") or columns.get("attributes") or columns.get("text")
