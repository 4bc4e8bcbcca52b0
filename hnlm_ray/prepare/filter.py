"""Which rows are positives: a least rating and a window of days.

What was left out of the data, and how much of it, in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import PrepareConfig
from hnlm_ray.prepare.duplicates import rated

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tally:
    """Rows of some blocks by what became of them; ``without_*`` counts nulls.

    ``unrated`` are no positives because a least rating is asked for and they have none; ``given_validation`` came as
    validation rows.
    """

    rows: int = 0
    below_rating: int = 0
    unrated: int = 0
    outside_window: int = 0
    without_rating: int = 0
    without_timestamp: int = 0
    positives: int = 0
    positives_without_timestamp: int = 0
    positives_without_split: int = 0
    given_validation: int = 0


def kept_rows(rows: pa.Table, config: PrepareConfig) -> tuple[pa.Table, Mask, Tally]:
    """Keep the rows of a block that are positives, and those below that may take one back; and count.

    A row without the value that a rule looks at does not pass that rule. Only a row inside the window with a rating
    and a time can take back an earlier one of its pair: without a rating it says nothing of liking, and without a time
    it is before all others.

    Parameters
    ----------
    rows
        Columns ``rating``, ``timestamp`` and ``source_split`` of ``raw_interactions`` decide; all are kept.
    config
        The least rating and the window.

    Returns
    -------
    tuple
        The rows, which of them are positives, and the counts.
    """
    liked, inside = rated(rows["rating"], config.min_rating), _in_window(rows["timestamp"], config)
    unrated = rows["rating"].is_null().to_numpy()
    positive = liked & inside
    keep = positive | (~liked & inside & ~unrated & rows["timestamp"].is_valid().to_numpy())
    kept = rows if keep.all() else rows.filter(pa.array(keep))
    positives = rows if positive.all() else rows.select(["timestamp", "source_split"]).filter(pa.array(positive))
    tally = Tally(
        rows=rows.num_rows,
        below_rating=int((~liked & ~unrated).sum()),
        unrated=int((~liked & unrated).sum()),
        outside_window=int((liked & ~inside).sum()),
        without_rating=int(unrated.sum()),
        without_timestamp=rows["timestamp"].null_count,
        positives=int(positive.sum()),
        positives_without_timestamp=positives["timestamp"].null_count,
        positives_without_split=positives["source_split"].null_count,
        given_validation=pc.sum(pc.equal(rows["source_split"], "validation")).as_py() or 0,
    )
    return kept, positive[keep], tally


def total(tallies: Iterable[Tally]) -> Tally:
    """Add up the tallies of all blocks."""
    parts = list(tallies)
    return Tally(**{field.name: sum(getattr(part, field.name) for part in parts) for field in fields(Tally)})


def check(tally: Tally, config: PrepareConfig) -> None:
    """Raise InputError when a rule asks for values that the data does not have."""
    if not tally.rows:
        raise InputError("the source has no interactions; check the files and `columns` of the source section")
    if config.min_rating is not None and tally.without_rating == tally.rows:
        raise InputError(
            f"prepare.min_rating is {config.min_rating}, but no row has a rating; map "
            "source.interactions.columns.rating or remove prepare.min_rating"
        )
    if (config.since or config.until) and tally.without_timestamp == tally.rows:
        raise InputError(
            f"prepare.since/until is {config.since}/{config.until}, but no row has a timestamp; map "
            "source.interactions.columns.timestamp or remove the window"
        )
    _check_split(tally, config.split.method)


def _check_split(tally: Tally, method: str) -> None:
    if method in {"leave_last_out", "time"} and tally.positives_without_timestamp:
        raise InputError(
            f"prepare.split.method is {method}, but {tally.positives_without_timestamp} of {tally.positives} "
            "positives have no timestamp; map source.interactions.columns.timestamp or choose random"
        )
    if method == "given" and tally.positives_without_split:
        raise InputError(
            f"prepare.split.method is given, but {tally.positives_without_split} of {tally.positives} positives "
            "came without a split; choose random, or a source with train and test files (format ngcf, or table with "
            "test_path)"
        )


def _in_window(timestamps: pa.ChunkedArray, config: PrepareConfig) -> Mask:
    inside = np.ones(len(timestamps), dtype=bool)
    if config.since is not None:
        inside &= _true(pc.greater_equal(timestamps, _midnight(config.since)))
    if config.until is not None:
        inside &= _true(pc.less(timestamps, _midnight(config.until)))
    return inside


def _true(condition: pa.ChunkedArray) -> Mask:
    mask: Mask = pc.fill_null(condition, False).to_numpy()  # noqa: FBT003
    return mask


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


LARGE: Final = 0.2
"""The share left out above which a user is warned."""
Counts = Mapping[str, int | float | str | None]


@dataclass(frozen=True)
class Loss:
    """Something that was left out: how many of how many, and sentences with ``{share}`` for the part of these."""

    count: int
    of: int
    sentence: str

    @property
    def told(self) -> str:
        """The sentence with its figures."""
        return self.sentence.format(share=f"{self.count / self.of:.0%}", figures=f"{self.count:,} of {self.of:,}")


def warnings_of(stage: str, counts: Counts, settings: Mapping[str, object]) -> list[str]:
    """Say of a stage that makes data what took more than a fifth of the rows it looked at, and what to type instead.

    Parameters
    ----------
    stage
        Its name; others than ingest and prepare leave nothing out.
    counts
        What it counted.
    settings
        What its table was made with, by dotted names such as ``prepare.user_core``.
    """
    losses = {"ingest": _unread, "prepare": _not_prepared}.get(stage)
    found = [] if losses is None else losses(_numbers(counts), settings)
    return [loss.told for loss in found if 0 < LARGE * loss.of < loss.count]


def notes_of(counts: Counts, settings: Mapping[str, object]) -> list[str]:
    """Say what the stage prepare found of pairs that come again, and of a split that leaks or can't be tested."""
    found = _numbers(counts)
    return [*_repeat_notes(found, settings), *_split_notes(found)]


Numbers = Counter[str]


def _numbers(counts: Counts) -> Numbers:
    """Return the whole numbers; what was not counted is 0."""
    return Counter({name: value for name, value in counts.items() if isinstance(value, int)})


def _unread(counts: Numbers, _: Mapping[str, object]) -> Iterator[Loss]:
    for name, count in counts.items():
        if name.startswith("rejected: "):
            why = name.removeprefix("rejected: ").replace("{", "{{").replace("}", "}}")
            told = f"{{share}} of the lines ({{figures}}) are left out, or a value of theirs: {why}"
            yield Loss(count, counts["lines"], told)


def repeats_in(counts: Numbers) -> int:
    """Return how many rows repeat a pair; a workspace of before calls them duplicates."""
    return counts["repeats"] or counts["duplicates"]


def _not_prepared(counts: Numbers, settings: Mapping[str, object]) -> Iterator[Loss]:
    def value(name: str) -> str:
        return f"prepare.{name} {settings.get(f'prepare.{name}')}"

    rows, window = counts["rows"], "prepare.since and prepare.until"
    rated = rows - counts["without_rating"]
    yield Loss(
        *(counts["without_rating"], rows),
        "{share} of the rows ({figures}) have no rating, so they are no positives: map another column to the rating, "
        "or remove prepare.min_rating",
    )
    below = f"{{share}} of the ratings ({{figures}}) are below {value('min_rating')}: lower it if they are liked too"
    yield Loss(counts["below_rating"], rated, below)
    liked = rated - counts["below_rating"]
    outside = f"{{share}} of the rows ({{figures}}) are outside {window}: widen them"
    yield Loss(counts["outside_window"], liked, outside)
    pairs = liked - counts["outside_window"] - repeats_in(counts) - counts["taken_back"]
    yield Loss(
        *(counts["taken_back"], pairs + counts["taken_back"]),
        "{share} of the pairs with a positive ({figures}) are left out, for their last rating is none: check the times",
    )
    sample = f"the sample of {value('max_users')} left out {{share}} of the positives ({{figures}}): raise or remove it"
    yield Loss(counts["dropped_by_sample"], pairs, sample)
    sampled = pairs - counts["dropped_by_sample"]
    core = f"lower {value('user_core')} or {value('item_core')}"
    yield Loss(
        *(counts["dropped_by_sample_and_kcore"] - counts["dropped_by_sample"], sampled),
        f"the k-core took {{share}} of the positives ({{figures}}): {core}",
    )
    yield from _not_in_the_split(counts, value("split.train_share"))


def _not_in_the_split(counts: Numbers, train_share: str) -> Iterator[Loss]:
    thinned = counts["train_left_out"]
    left_out = f"{train_share} left out {{share}} of the training rows ({{figures}})"
    yield Loss(thinned, counts["train"] + thinned, left_out)
    both = counts["in_train_and_test"]
    leaks = "{share} of the pairs in test ({figures}) are in train too, so they train: check the files of the split"
    yield Loss(both, counts["test"] + both, leaks)
    untested = sum(counts[f"rows_of_{name}_without_training"] for name in ("users", "items"))
    yield Loss(
        *(untested, counts["validation"] + counts["test"] + untested),
        "{share} of the validation and test rows ({figures}) are left out, for their user or item has no earlier one: "
        "choose later days or smaller shares of validation and test, or another prepare.split",
    )


def _repeat_notes(counts: Numbers, settings: Mapping[str, object]) -> Iterator[str]:
    if repeats := repeats_in(counts):
        pairs = f" of {counts['repeated_pairs']:,} pairs" if "repeated_pairs" in counts else ""
        weighs = settings.get("prepare.repeats") == "weight"
        rule = "how often a pair came is its weight" if weighs else "a pair counts once (prepare.repeats)"
        yield f"{repeats:,} repeats{pairs}: bought, seen or rated again; {rule}"
    if taken_back := counts["taken_back"]:
        yield f"{taken_back:,} pairs were positives and their last rating is none: they are left out"


def _split_notes(counts: Numbers) -> Iterator[str]:
    if both := counts["in_train_and_test"]:
        yield f"{both:,} pairs are in train and in test of the split that is given: they train"
    if validation := counts["in_validation_too"]:
        yield f"{validation:,} pairs are in validation and in another part of the split that is given"
    users, items = (counts[f"{name}_without_training"] for name in ("users", "items"))
    if users or items:
        rows = sum(counts[f"rows_of_{name}_without_training"] for name in ("users", "items"))
        yield (
            f"{users:,} users and {items:,} items have no row before the cut of prepare.split: their {rows:,} later "
            "rows can't be tested and are left out"
        )
