"""Which rows a retry is about, and what the table is then called."""

import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.workspace import Manifest
from hnlm_ray.workspace.stage import RETRIED, parse_retry
from hnlm_ray.workspace.tables import STATUSES


def test_failed_are_all_rows_that_another_attempt_may_mend():
    assert set(parse_retry("failed").statuses) == set(STATUSES) - {"ok", "none", "no_vector"}
    assert parse_retry("failed:truncated").statuses == ("truncated",)


@pytest.mark.parametrize("text", ["", "ok", "failed:", "failed:ok", "failed:none", "failed:Truncated", "failed:a:b"])
def test_anything_else_is_refused_with_the_statuses(text):
    with pytest.raises(InputError, match=f"got '{text}': STATUS is one of {', '.join(RETRIED)}"):
        parse_retry(text)


def test_a_revision_is_the_same_each_time_and_another_one_for_another_retry():
    first, again = (parse_retry("failed").of_table("a" * 64) for _ in range(2))
    assert first.revision == again.revision
    others = {parse_retry("failed:invalid").of_table("a" * 64).revision, first.of_table(first.revision).revision}
    assert len({first.revision, *others}) == 3


def test_a_manifest_of_before_there_were_revisions_is_read():
    old = Manifest.model_validate_json('{"table": "items", "stage": "prepare", "fingerprint": "f"}')
    assert (old.revision, old.content) == ("", "f")
    assert old.model_copy(update={"revision": "r"}).content == "r"
