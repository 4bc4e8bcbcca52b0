"""Raw columns of an interaction file to rows of ``raw_interactions``."""

from __future__ import annotations

import pyarrow as pa

from hnlm_ray.config import InteractionFile
from hnlm_ray.sources.readers.records import Records, RowCheck
from hnlm_ray.sources.readers.rejects import FileRejects
from hnlm_ray.sources.rows import values
from hnlm_ray.sources.rows.values import Clock
from hnlm_ray.workspace.tables import TABLES


class InteractionRows:
    """Converts the records of one file.

    Parameters
    ----------
    options
        Which columns hold what.
    review_chars
        Characters of a review that are kept; with 0 the columns of reviews are not even read.

    Attributes
    ----------
    columns
        The file's columns that are read.
    """

    def __init__(self, options: InteractionFile, review_chars: int) -> None:
        self._names = options.columns
        self._numbers = options.rating_values
        self._clock = Clock(options.time_format)
        self._review_chars = review_chars
        self._review = self._names.review if review_chars else ()
        mapped = (self._names.user, self._names.item, self._names.rating, self._names.timestamp, *self._review)
        self.columns = tuple(dict.fromkeys(name for name in mapped if name is not None))

    def table(self, records: Records, rejects: FileRejects) -> pa.Table:
        """Convert one block; schema ``TABLES["raw_interactions"]``."""
        check = RowCheck(records, rejects)
        columns = [
            checked_ids(records, self._names.user, "user id", check),
            checked_ids(records, self._names.item, "item id", check),
            self._rating(records, check),
            self._timestamp(records, check),
            pa.nulls(len(records.lines), pa.string()),
        ]
        columns.append(self._reviews(records, check))  # last: only rows that stay count what is left out
        keep = pa.array(check.keep)
        return pa.table([column.filter(keep) for column in columns], schema=TABLES["raw_interactions"])

    def _rating(self, records: Records, check: RowCheck) -> pa.Array:
        if self._names.rating is None:
            return pa.nulls(len(records.lines), pa.float32())
        column = records.columns[self._names.rating]
        if self._numbers:
            ratings, unknown = values.named_ratings(column, self._numbers)
            check.reject(unknown, "rating is not one of rating_values", column)
            return ratings
        ratings, wrong, endless = values.ratings(column)
        check.reject(wrong, "rating is not a number", column)
        check.reject(endless, "rating is not finite", column)
        return ratings

    def _timestamp(self, records: Records, check: RowCheck) -> pa.Array:
        if self._names.timestamp is None:
            return pa.nulls(len(records.lines), pa.int64())
        column = records.columns[self._names.timestamp]
        seconds, wrong = self._clock.seconds(column)
        expected = self._clock.time_format or "seconds, milliseconds or ISO 8601"
        check.reject(wrong, f"timestamp is not {expected}", column)
        return seconds

    def _reviews(self, records: Records, check: RowCheck) -> pa.Array:
        """Return the reviews; a spoilt text is left out, while its interaction stays."""
        if not self._review:
            return pa.nulls(len(records.lines), pa.string())
        parts = [records.columns[name] for name in self._review]
        reviews, spoilt = values.reviews(parts, self._review_chars)
        check.leave_out_value(spoilt, "review has a NUL character", records.columns[self._names.item])
        return reviews


def checked_ids(records: Records, name: str, what: str, check: RowCheck) -> pa.Array:
    """Convert a column of ids; blank ones and those with a NUL character are rejected."""
    ids = values.ids(records.columns[name], name)
    check.reject(values.empty(ids), f"{what} is empty", ids)
    check.reject(values.has_nul(ids), f"{what} has a NUL character", ids)
    return ids
