"""Small files of interactions for tests, and what ``hnlm init --yes`` makes of them."""

import random
from dataclasses import dataclass
from pathlib import Path

from judged_tables import Asking

from hnlm_ray.discover.files.sample import Overrides
from hnlm_ray.discover.found import Understanding
from hnlm_ray.discover.measure import Measured, look_up, measure
from hnlm_ray.discover.understanding import understand

DAY = 86_400
START = 1_500_000_000


@dataclass(frozen=True)
class Read:
    """What was read, and what was asked or warned of."""

    found: Understanding
    measured: Measured
    questions: list
    warnings: list[str]

    @property
    def rows(self):
        """Each interaction as (user, item, rating, time)."""
        names = ("user_id", "item_id", "rating", "timestamp")
        return list(zip(*(self.measured.rows[name].to_pylist() for name in names), strict=True))

    @property
    def pairs(self):
        return [row[:2] for row in self.rows]

    @property
    def times(self):
        return [row[3] for row in self.rows]

    @property
    def liked(self):
        """The pairs that are positives."""
        least = self.found.min_rating
        return [row[:2] for row in self.rows if least is None or (row[2] is not None and row[2] >= least)]

    @property
    def said(self):
        """Questions and warnings as one text."""
        return "\n".join([f"{one.text} {one.choices} {one.option}" for one in self.questions] + self.warnings)

    @property
    def reviews(self):
        return list(self.found.source["interactions"]["columns"].get("review", ()))

    def items(self, *ids):
        """Return what the files say of some items."""
        return look_up(self.found.source, list(ids)).by_id


def read(*paths, **wanted):
    asking = Asking()
    found = understand([str(path) for path in paths], Overrides(**wanted), asking)
    return Read(found, measure(found.source), asking.questions, list(map(str, found.warnings)))


def write(path, lines, encoding="utf-8", end="\n"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes("".join(line + end for line in lines).encode(encoding))
    return path


def rated(users=12, items=9, count=90, seed=3):
    """Draw pairs that differ, each with a rating from 1 to 5: ('u3', 'i4', 5)."""
    draw = random.Random(seed)
    chosen = draw.sample([(user, item) for user in range(users) for item in range(items)], count)
    return [(f"u{user}", f"i{item}", draw.choice((1, 2, 3, 3, 4, 4, 5, 5))) for user, item in chosen]


def times(count, step=5 * 3600 + 61, start=START):
    """Return as many seconds since 1970, in an order that is not the rows'."""
    made = [start + at * step for at in range(count)]
    random.Random(2).shuffle(made)
    return made


def lines_of(rows, header="user_id,item_id,rating", separator=","):
    return [header, *(separator.join(map(str, row)) for row in rows)]
