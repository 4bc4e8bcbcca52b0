"""Interactions written with random names, separators, encodings, orders of columns and packings are recovered.

``python tests/discover/judged_tables.py 2000`` prints how tables of known meaning are read, by kinds of failures.
"""

import bz2
import csv
import gzip
import io
import lzma
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_tables import judged_seeds, scoreboard, shares
from made_tables import made_table

from hnlm_ray.discover.files.sample import Overrides
from hnlm_ray.discover.measure import measure
from hnlm_ray.discover.understanding import understand

USERS = ["user_id", "reviewerID", "Kundennummer", "utilisateur", "ユーザーID", "visitor: \u2028 #id"]
ITEMS = ["item_id", "asin", "Artikel", "produit", "商品", 'movie "id"']
RATINGS = ["rating", "overall", "Sterne", "note", "評価", "stars\nof five"]
TIMES = ["timestamp", "unixReviewTime", "Datum", "日付", "created_at"]
PACKED = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@st.composite
def exports(draw):
    names = [draw(st.sampled_from(one)) for one in (USERS, ITEMS, RATINGS, TIMES)]
    order = draw(st.permutations(range(4)))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    options = {"delimiter": draw(st.sampled_from(",;\t|")), "quoting": quoting}
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]))
    return names, order, options, encoding, draw(st.sampled_from(sorted(PACKED))), draw(st.integers(0, 99))


def rows(seed):
    chance = random.Random(seed)
    for _ in range(400):
        user, item = chance.randrange(40), chance.randrange(25)
        yield f"u{user}", f"i {item}; é,|\t", str(chance.randrange(1, 6)), str(1_500_000_000 + chance.randrange(10**7))


@settings(max_examples=30)
@given(exports())
def test_roles_and_dialect_are_recovered_and_every_row_is_read(tmp_path_factory, export):
    names, order, options, encoding, packing, seed = export
    stream = io.StringIO()
    writer = csv.writer(stream, **options, lineterminator="\r\n")
    writer.writerows([[row[at] for at in order] for row in [names, *rows(seed)]])
    path = tmp_path_factory.mktemp("export") / f"export.csv{packing}"
    path.write_bytes(PACKED[packing](stream.getvalue().encode(encoding)))
    found = understand([str(path)], Overrides(), ask=lambda question: 1 / 0)
    columns = found.source["interactions"]["columns"]
    assert [columns[role] for role in ("user", "item", "rating", "timestamp")] == names
    measured = measure(found.source)
    read = zip(
        *(measured.rows[name].to_pylist() for name in ("user_id", "item_id", "rating", "timestamp")), strict=True
    )
    assert list(read) == [(u, i, float(r), int(t)) for u, i, r, t in rows(seed)]


TABLES, MANY = 300, 2000
SILENT_SHARE, RIGHT_SHARE, CLEAN_SHARE = 0.001, 0.9, 0.97


def held(first, count):
    """Judge tables by their seeds: hardly one is silently wrong, and to ask always is no answer."""
    judgements = judged_seeds(range(first, first + count))
    figures = shares(judgements)
    told = scoreboard(judgements)
    assert figures["silent"] <= SILENT_SHARE * count, told
    assert figures["right"] >= RIGHT_SHARE, told
    assert figures["right of the clean"] >= CLEAN_SHARE, told


def test_tables_are_read_right_or_asked_about():
    held(0, TABLES)


@pytest.mark.long
@pytest.mark.parametrize("first", range(10_000, 30_000, MANY))
def test_many_tables_are_read_right_or_asked_about(first):
    held(first, MANY)


def test_a_seed_makes_the_same_table_and_tables_differ():
    assert made_table(7) == made_table(7)
    assert len({made_table(seed).data for seed in range(20)}) == 20
