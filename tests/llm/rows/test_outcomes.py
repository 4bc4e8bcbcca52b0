"""What a worker tells the driver arrives as it was told, errors with their kind."""

from collections import Counter

import pyarrow as pa
import pytest

from hnlm_ray.base.errors import HnlmError, InputError, ResourceError, StageError, error_of, kind_of
from hnlm_ray.llm.rows.attempts import ChunkReport
from hnlm_ray.llm.rows.job import RowPrompt, Spent


@pytest.mark.parametrize("stop", [None, StageError("gone"), ResourceError("no room: add some"), HnlmError("x")])
def test_reports_arrive_as_they_were_told(stop):
    told = [ChunkReport(3, 70, {"ok": 2, "invalid": 1}), ChunkReport(0, 0, {}, left=4, stop=stop)]
    found = list(ChunkReport.from_arrow(pa.concat_tables([report.to_arrow() for report in told])))
    assert found[0] == told[0]
    assert (found[1].left, dict(found[1].statuses)) == (4, {})
    assert (type(found[1].stop), str(found[1].stop)) == (type(stop), str(stop))


def test_what_rows_took_before_is_not_counted_again():
    columns = {"status": ["ok", "none", "ok"], "tokens_in": [10, 20, 30], "tokens_out": [1, 2, None]}
    asked = [RowPrompt((0,), {}, before=Spent(1, 4, 1)), RowPrompt((1,), {}), RowPrompt((2,), {})]
    report = ChunkReport.of(pa.table(columns), asked, left=2)
    assert report == ChunkReport(3, 63 - 5, Counter(ok=2, none=1), 2)


def test_an_error_of_another_module_arrives_as_its_nearest_base():
    class MissingModelError(InputError):
        pass

    class StageError(HnlmError):
        """Another class of this name."""

    assert [kind_of(one("x")) for one in (MissingModelError, StageError)] == ["InputError", "HnlmError"]
    assert type(error_of(kind_of(MissingModelError("x")), "y")) is InputError
