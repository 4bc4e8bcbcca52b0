"""Raw columns of an interaction file to rows of ``raw_interactions``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.config import InteractionFile
from hnlm_ray.sources.readers.records import Mask, Records, RowCheck, to_mask
from hnlm_ray.sources.readers.rejects import SHOWN_CHARS, FileRejects
from hnlm_ray.sources.rows import values
from hnlm_ray.sources.rows.values import Clock
from hnlm_ray.workspace.tables import TABLES

EPOCH: Final = date(1970, 1, 1)
DAY: Final = 86_400
LeftOut = tuple[Mask, str, pa.Array]
"""Values that are left out while their rows stay: which, why, and how they are written."""


class InteractionRows:
    """Converts the records of one file.

    Parameters
    ----------
    options
        Which columns hold what.
    review_chars
        Characters of a review that are kept; with 0 the columns of reviews are not even read.
    folds
        What ids lose (``source.fold_ids``).

    Attributes
    ----------
    columns
        The file's columns that are read.
    """

    def __init__(self, options: InteractionFile, review_chars: int, folds: Collection[str] = ()) -> None:
        self._options = options
        self._names = options.columns
        self._clock = Clock(options.time_format)
        self._folds = folds
        self._review_chars = review_chars
        self._review = self._names.review if review_chars else ()
        named = self._names
        mapped = (named.user, named.item, named.rating, named.timestamp, named.event, named.quantity, *self._review)
        self.columns = tuple(dict.fromkeys(name for name in mapped if name is not None))

    def table(self, records: Records, rejects: FileRejects) -> pa.Table:
        """Convert one block; schema ``TABLES["raw_interactions"]``."""
        check = RowCheck(records, rejects)
        self._leave_out_events(records, check, rejects)
        self._leave_out_returns(records, check)
        columns = [
            checked_ids(records, name, what, check, missing=self._options.missing, folds=self._folds)
            for name, what in ((self._names.user, "user id"), (self._names.item, "item id"))
        ]
        ratings, odd_ratings = self._rating(records, check)
        seconds, odd_times = self._timestamp(records, check)
        for unwanted, reason, column in (*odd_ratings, *odd_times):  # only rows that stay count what is left out
            check.leave_out_value(unwanted, reason, column)
        columns += [ratings, seconds, pa.nulls(len(records.lines), pa.string()), self._reviews(records, check)]
        keep = pa.array(check.keep)
        return pa.table([column.filter(keep) for column in columns], schema=TABLES["raw_interactions"])

    def _column(self, records: Records, name: str) -> pa.Array:
        """Return a column with null for the words that say that a value is missing."""
        column = records.columns[name]
        return values.without(column, values.among(column, self._options.missing))

    def _leave_out_events(self, records: Records, check: RowCheck, rejects: FileRejects) -> None:
        """Leave out the rows of other kinds of events, each kind counted by its name."""
        if self._names.event is None:
            return
        kinds = pc.utf8_trim_whitespace(values.texts(self._column(records, self._names.event)))
        check.leave_out(to_mask(pc.is_null(kinds)), "event is missing", kinds)
        wanted = pc.is_in(kinds, value_set=pa.array(self._options.events, pa.string()))
        other = to_mask(pc.and_(pc.invert(wanted), pc.is_valid(kinds)))
        for kind in filter(rejects.names_kind, pc.unique(kinds.filter(pa.array(other))).to_pylist()):
            this = to_mask(pc.equal(kinds, kind))
            check.leave_out(this, f"event {kind[:SHOWN_CHARS]!r} is not one of events", kinds)
            other &= ~this
        check.leave_out(other, "event of a further kind is not one of events", kinds)

    def _leave_out_returns(self, records: Records, check: RowCheck) -> None:
        if self._names.quantity is None:
            return
        column = self._column(records, self._names.quantity)
        amounts, wrong = values.to_float64(self._pointed(column))
        endless = to_mask(pc.invert(pc.is_finite(amounts)))
        check.reject(wrong | endless, "quantity is not a number", column)
        check.leave_out(to_mask(pc.less_equal(amounts, 0.0)), "quantity is 0 or less", column)

    def _pointed(self, column: pa.Array) -> pa.Array:
        return values.with_point(column) if self._options.decimal == "," else column

    def _rating(self, records: Records, check: RowCheck) -> tuple[pa.Array, list[LeftOut]]:
        if self._names.rating is None:
            return pa.nulls(len(records.lines), pa.float32()), []
        column = self._column(records, self._names.rating)
        if self._options.rating_values:
            ratings, unknown = values.named_ratings(column, self._options.rating_values)
            bad = [(unknown, "rating is not one of rating_values")]
        else:
            ratings, wrong, endless = values.ratings(self._pointed(column))
            bad = [(wrong, "rating is not a number"), (endless, "rating is not finite")]
        return self._judged(ratings, column, bad, self._beyond_the_scale(ratings), check)

    def _beyond_the_scale(self, ratings: pa.Array) -> LeftOut | None:
        if self._options.rating_range is None:
            return None
        low, high = map(np.float32, self._options.rating_range)
        outside = pc.or_(pc.less(ratings, low), pc.greater(ratings, high))
        return to_mask(outside), "rating outside rating_range", ratings

    def _timestamp(self, records: Records, check: RowCheck) -> tuple[pa.Array, list[LeftOut]]:
        if self._names.timestamp is None:
            return pa.nulls(len(records.lines), pa.int64()), []
        column = self._column(records, self._names.timestamp)
        seconds, wrong = self._clock.seconds(column)
        expected = self._clock.time_format or "seconds, milliseconds or ISO 8601"
        return self._judged(
            seconds, column, [(wrong, f"timestamp is not {expected}")], self._beyond_the_days(seconds, column), check
        )

    def _beyond_the_days(self, seconds: pa.Array, column: pa.Array) -> LeftOut | None:
        if self._options.time_range is None:
            return None
        first, last = ((day - EPOCH).days for day in self._options.time_range)
        outside = pc.or_(pc.less(seconds, first * DAY), pc.greater_equal(seconds, (last + 1) * DAY))
        return to_mask(outside), "timestamp outside time_range", column

    def _judged(
        self,
        found: pa.Array,
        column: pa.Array,
        bad: Sequence[tuple[Mask, str]],
        outside: LeftOut | None,
        check: RowCheck,
    ) -> tuple[pa.Array, list[LeftOut]]:
        """Return values without those that can't be read or lie outside, and these; or reject their rows."""
        left_out = [outside] if outside is not None else []
        for unread, reason in bad:
            if self._options.unreadable == "missing":
                left_out = [(unread, f"{reason}, so it is missing", column), *left_out]
            else:
                check.reject(unread, reason, column)
        for unwanted, _, _ in left_out:
            found = values.without(found, unwanted)
        return found, left_out

    def _reviews(self, records: Records, check: RowCheck) -> pa.Array:
        """Return the reviews; a spoilt text is left out, while its interaction stays."""
        if not self._review:
            return pa.nulls(len(records.lines), pa.string())
        parts = [self._column(records, name) for name in self._review]
        reviews, spoilt = values.reviews(parts, self._review_chars)
        check.leave_out_value(spoilt, "review has a NUL character", records.columns[self._names.item])
        return reviews


def checked_ids(
    records: Records,
    name: str,
    what: str,
    check: RowCheck,
    *,
    missing: Collection[str] = (),
    folds: Collection[str] = (),
) -> pa.Array:
    """Convert a column of ids; missing and blank ones and those with a NUL character are rejected."""
    written = values.ids(records.columns[name], name)
    check.reject(values.among(written, missing), f"{what} is missing", written)
    ids = values.folded(written, folds)
    check.reject(values.empty(ids), f"{what} is empty", ids)
    check.reject(values.has_nul(ids), f"{what} has a NUL character", ids)
    return ids
