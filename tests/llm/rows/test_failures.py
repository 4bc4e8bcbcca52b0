"""Failed rows grouped by why."""

import pyarrow as pa
import pytest

from hnlm_ray.base.text import folded, shown
from hnlm_ray.llm.rows import failures
from hnlm_ray.llm.rows.failures import Failures
from hnlm_ray.workspace.tables import TABLES

OUTCOME = {"attempts": 2, "tokens_in": 30, "tokens_out": 4, "prompt_version": "p", "model": "m"}
OUTCOME |= {"prompt_cut": 0, "prompt_defused": False}


def table(*rows):
    made = [{"item": item, "status": status, "error": error, **OUTCOME} for item, status, error in rows]
    return pa.Table.from_pylist(made, schema=TABLES["item_profiles"])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("123 prompt and 64 answer tokens exceed 187", "N prompt and N answer tokens exceed N"),
        ("field 'summary' has 1,200 characters", "field '...' has N characters"),
        ('no "key" in `{"a": 1}` after 3.5 s', "no '...' in '...' after N s"),
        ("it doesn't answer, can't say", "it doesn't answer, can't say"),
    ],
)
def test_numbers_and_quoted_text_do_not_tell_reasons_apart(message, reason):
    assert folded(message) == reason


def test_rows_of_several_files_are_counted_by_reason_with_the_first_as_examples():
    found = Failures(("item",), most_examples=2)
    found.add(table((0, "ok", None), (1, "invalid", "12 left"), (2, "invalid", "13 left")))
    found.add(table((3, "none", None), (4, "invalid", "9 left"), (5, "refused", None), (6, "truncated", "9 left")))
    assert found.rows == 7
    groups = found.groups()
    assert [(group.status, group.message, group.rows) for group in groups] == [
        ("invalid", "N left", 3),
        ("refused", "no message", 1),
        ("truncated", "N left", 1),
    ]
    assert groups[0].examples == [((1,), "12 left"), ((2,), "13 left")]
    assert (groups[0].attempts, groups[0].tokens_in, groups[0].tokens_out) == (6, 90, 12)


def test_messages_without_end_take_no_memory_without_end(monkeypatch):
    monkeypatch.setattr(failures, "_MOST_GROUPS", 3)
    found = Failures(("item",), most_examples=1)
    found.add(table(*((item, "invalid", "word " * 500 + chr(97 + item)[:1] + "x" * item) for item in range(20))))
    found.add(table(*((item, "invalid", chr(97 + item) * 4) for item in range(20))))
    assert len(found.groups()) <= 4
    assert sum(group.rows for group in found.groups()) == 40
    assert all(len(group.message) <= 300 for group in found.groups())


def test_a_message_is_shown_on_one_line_without_control_characters_and_secrets():
    assert shown("a\x1b[2J\n\tb http://me:pw@host/?token=abc") == "a\\x1b[2J b http://***@host/?token=***"
    assert shown(None) == "no message"
