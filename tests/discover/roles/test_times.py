from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.roles import times
from hnlm_ray.discover.roles.times import FORMATS, times_of
from hnlm_ray.sources.rows.values import Clock

DAYS = st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2024, 12, 31)), min_size=10, max_size=20, unique=True)  # noqa: DTZ001


def column(texts):
    return Column("when", pa.array(texts, pa.string()))


def read(texts, found):
    seconds, wrong = Clock(found.time_format).seconds(pa.array(texts, pa.string()))
    assert not wrong.any()
    return seconds.to_pylist()


@given(
    DAYS,
    st.sampled_from(
        ["%d.%m.%Y", "%d.%m.%Y %H:%M", "%B %d, %Y", "%Y年%m月%d日", "%Y%m%d", "%b %d, %Y %I:%M %p", "%m %d, %Y"]
    ),
)
def test_dates_in_a_known_format_are_read_as_they_were_written(days, time_format):
    texts = [day.strftime(time_format) for day in days]
    wanted = [int(datetime.strptime(text, time_format).replace(tzinfo=UTC).timestamp()) for text in texts]
    assert wanted in [read(texts, found) for found in times_of(column(texts))]


@settings(max_examples=25)
@given(DAYS)
def test_iso_dates_and_seconds_and_milliseconds_need_no_format(days):
    stamps = [int(day.replace(tzinfo=UTC).timestamp()) for day in days]
    for texts in ([day.isoformat(" ") for day in days], [str(s) for s in stamps], [str(1000 * s) for s in stamps]):
        (found,) = times_of(column(texts))
        assert found.time_format is None
        assert read(texts, found) == stamps


def test_days_and_months_that_could_be_either_are_two_readings():
    found = times_of(column([f"{day:02}/{month:02}/2020" for day in range(1, 13) for month in range(1, 13)]))
    assert [one.time_format for one in found] == ["%d/%m/%Y", "%m/%d/%Y"]
    assert [one.time_format for one in times_of(column(["13/01/2020", "01/02/2020"]))] == ["%d/%m/%Y"]


@pytest.mark.parametrize("texts", [["1950", "2004"], ["1", "2", "3"], ["a", "b"], ["4.5"], ["12345", "99999"], ["inf"]])
def test_years_counts_and_words_are_no_times(texts):
    assert times_of(column(texts)) == []


def test_no_two_formats_are_the_same():
    assert len(set(FORMATS)) == len(FORMATS)


def test_a_text_is_tried_with_the_formats_that_have_its_punctuation_alone():
    assert len(times._like("i3")) < 20
    assert not times._like("a word")
    assert {"%d.%m.%Y", "%d.%m.%y"} <= set(times._like("28.02.2014"))
    assert "%Y-%m-%dT%H:%M:%S UTC" in times._like("2014-02-28t10:00:00 utc")
