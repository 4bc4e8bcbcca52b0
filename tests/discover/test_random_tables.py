"""Interactions written with random names, separators, encodings, orders of columns and packings are recovered."""

import bz2
import csv
import gzip
import io
import lzma
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from hnlm_ray.discover.measure import measure
from hnlm_ray.discover.overrides import Overrides
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
