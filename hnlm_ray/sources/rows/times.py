"""Raw timestamps to seconds since 1970, UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.base.errors import SourceError
from hnlm_ray.sources.readers.records import Mask
from hnlm_ray.sources.rows.values import is_text, to_float64, to_mask

MILLISECONDS_FROM = 1e11
"""Seconds of this size lie after the year 5000; milliseconds of this size after March 1973."""
LATEST_SECOND = 253_402_300_799  # the last of the year 9999


class Clock:
    """Reads one file's timestamps.

    Numbers are seconds or milliseconds since 1970, decided once a file: by the median size of the first
    block that has any. Texts follow ``time_format`` when there is one, else ISO 8601; without a zone they
    are UTC.
    """

    def __init__(self, time_format: str | None) -> None:
        self.time_format = _checked(time_format)
        self.divisor: float | None = None

    def seconds(self, column: pa.Array) -> tuple[pa.Array, Mask]:
        """Convert to int64 seconds; blank is null, and what is no time is null and marked."""
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            # Floor, also before 1970, as for every other way to write a time.
            micros = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
            return _floored(pc.divide(micros.cast(pa.float64(), safe=False), 1e6))
        if not is_text(column):
            return self._scaled(to_float64(column)[0])
        if self.time_format is not None:
            return self._dates(column.cast(pa.string()))
        numbers, _ = to_float64(column)
        dates, wrong = self._dates(pc.if_else(pc.is_null(numbers), column.cast(pa.string()), _null(pa.string())))
        scaled, far = self._scaled(numbers)
        return pc.coalesce(scaled, dates), wrong | far

    def _scaled(self, numbers: pa.Array) -> tuple[pa.Array, Mask]:
        sizes = np.abs(numbers.drop_null().to_numpy(zero_copy_only=False))
        sizes = sizes[np.isfinite(sizes)]
        if self.divisor is None and len(sizes):
            self.divisor = 1000.0 if np.median(sizes) >= MILLISECONDS_FROM else 1.0
        return _floored(pc.divide(numbers, self.divisor or 1.0))

    def _dates(self, column: pa.Array) -> tuple[pa.Array, Mask]:
        """Parse each distinct text once: dates repeat."""
        coded = column.dictionary_encode()
        parsed = pa.array([self._date(text) for text in coded.dictionary.to_pylist()], pa.int64())
        seconds = parsed.take(coded.indices)
        filled = to_mask(pc.not_equal(pc.utf8_trim_whitespace(column), ""))
        return seconds, filled & to_mask(pc.is_null(seconds))

    def _date(self, text: str) -> int | None:
        try:
            if self.time_format is not None:
                found = datetime.strptime(text.strip(), self.time_format)  # noqa: DTZ007 - the zone follows
            else:
                found = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
        zoned = found if found.tzinfo else found.replace(tzinfo=UTC)
        seconds = int((zoned - datetime.fromtimestamp(0, UTC)).total_seconds() // 1)
        return seconds if seconds <= LATEST_SECOND else None


def _checked(time_format: str | None) -> str | None:
    """Return a format that can be read; SourceError of any other, before it rejects every line."""
    if time_format is not None:
        try:
            datetime.strptime(datetime.fromtimestamp(0, UTC).strftime(time_format), time_format)  # noqa: DTZ007
        except (ValueError, re.error) as error:
            raise SourceError(
                f"time_format {time_format[:40]!r} can't be used ({error}); write it as Python's strptime does"
            ) from error
    return time_format


def _floored(seconds: pa.Array) -> tuple[pa.Array, Mask]:
    near = pc.less_equal(pc.abs(seconds), LATEST_SECOND)
    whole = pc.if_else(pc.fill_null(near, False), pc.floor(seconds), _null(pa.float64()))  # noqa: FBT003
    return whole.cast(pa.int64()), to_mask(pc.is_valid(seconds)) & ~to_mask(near)


def _null(kind: pa.DataType) -> pa.Scalar:
    """Return a null; made on use, for a first ``pa.scalar`` imports pandas where there is one."""
    return pa.scalar(None, kind)
