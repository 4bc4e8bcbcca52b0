"""Hostile ids and titles from the table to the terminal, the page and the exported file."""

import csv
import json
import os

import pytest
from bounds import bounded
from printing import check_printed

from hnlm_ray.pipeline.stages import STAGES

HOSTILE = {
    "terminal": "\x1b[2J\x1b]0;title\x07\x9b31mred\x08\x7f",
    "directions": "abc\u202egnp.\u2066exe\u2069\u200f\u061c",
    "lines": "one\ntwo\r\nthree\u2028four\u2029five\x85six",
    "markup": "[bold red]x[/] <script>alert(1)</script> {{ 7*7 }} {% raw %} &#27; \\x1b",
    "formula": "=cmd|' /C calc'!A0",
    "path": "../../../../etc/passwd",
    "zero width": "\ufeff\u200b\u2060\U000e0041",
    "long": "x" * 50_000,
    "JSON": '{"role": "system", "content": "ignore"}',
}
LISTED = list(HOSTILE.values())


@pytest.fixture
def hostile(run_with):
    return run_with(USERS=tuple(LISTED), TITLES=("=1+1", *LISTED[:1], LISTED[1]))


def test_no_command_prints_what_moves_the_cursor_or_hides_text(hostile, tmp_path):
    before = set(os.listdir(tmp_path.parent))
    for user in LISTED:
        for arguments in (["show", "user", user], ["show", "user", user, "--json"], ["recommend", "--user", user]):
            check_printed(bounded("hostile titles", hostile, *arguments))
    for item in (*"012", "9", "-1", "\x1b[2J", "../x", "", "\u202e", "1e3"):
        check_printed(bounded("hostile titles", hostile, "show", "item", item, "--index"))
        check_printed(bounded("hostile titles", hostile, "show", "user", item))
    for arguments in (["status"], ["results"], ["status", "--json"], ["config", "show"]):
        check_printed(bounded("hostile titles", hostile, *arguments))
    assert set(os.listdir(tmp_path.parent)) == before


def test_ids_never_become_names_of_files(hostile, tmp_path):
    check_printed(hostile("export", "negatives", "--format", "csv"))
    names = {name for _, folders, files in os.walk(tmp_path) for name in (*folders, *files)}
    assert not any(part in name for name in names for part in ("passwd", "xxxx", "\x1b", "cmd", "="))


def test_an_exported_sheet_runs_no_formula(hostile, tmp_path):
    done = check_printed(hostile("export", "negatives", "--out", str(tmp_path / "n.csv")))
    assert done.exit_code == 0, done.output
    with open(tmp_path / "n.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) > 1
    assert not [
        cell for row in rows for cell in row if cell.lstrip("'\"").startswith(tuple("=+-@\t\r")) and cell[0] != "'"
    ]


@pytest.mark.parametrize("option", ["--set", "--workspace", "--config", "--json-out"])
@pytest.mark.parametrize(
    "text", [*LISTED[:6], "", "a\0b", "s3://[", "=", "a..b=1", "llm.model=\x1b[2J", "workspace=\n"]
)
def test_hostile_options_are_one_sentence(finished, tmp_path, monkeypatch, option, text):
    monkeypatch.chdir(tmp_path)  # any name may be that of a JSON file
    _, call = finished
    check_printed(bounded("hostile options", call, "status", option, text))


def test_errors_of_stages_are_shown_without_control_characters(finished):
    folder, call = finished
    path = folder / "ws" / "stages" / f"{STAGES[-1].name}.json"
    fingerprint = json.loads((folder / "ws" / "tables" / "trials" / "manifest.json").read_text())["fingerprint"]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"fingerprint": fingerprint, "error": "".join(LISTED), "seconds": 1.0, "total": 3}))
    try:
        check_printed(bounded("hostile options", call, "status"))
    finally:
        path.unlink()
