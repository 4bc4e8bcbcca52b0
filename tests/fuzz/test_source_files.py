"""Every format of source, damaged: a typed error or counted lines."""

import os

import pytest
from bounds import bounded, cases
from damage import damaged, damages
from hypothesis import given
from hypothesis import strategies as st
from reading import read_all, source_of
from valid_files import VALID

from hnlm_ray.base.errors import HnlmError
from hnlm_ray.sources import FORMATS

SHARES = st.sampled_from([0.0, 0.5, 1.0])


def write_files(folder, files):
    for name in os.listdir(folder):
        os.unlink(folder / name)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def test_every_format_has_a_valid_source_to_damage():
    assert {tree["format"] for tree, _ in VALID.values()} == set(FORMATS)


@pytest.mark.parametrize("name", VALID)
def test_the_undamaged_source_gives_rows(tmp_path, name):
    tree, files = VALID[name]
    write_files(tmp_path, files)
    rows = read_all(source_of(tree, tmp_path, 0.0))
    assert rows["raw_interactions"]
    assert rows["raw_items"] or len(files) == 1


@pytest.mark.parametrize("name", VALID)
@cases(120)
@given(found=damages, which=st.integers(0, 2), share=SHARES)
def test_a_damaged_source_is_refused_or_its_lines_are_counted(tmp_path, name, found, which, share):
    tree, files = VALID[name]
    hit = sorted(files)[which % len(files)]
    write_files(tmp_path, {**files, hit: damaged(files[hit], found)})
    outcome = bounded(name, read_all, source_of(tree, tmp_path, share))
    assert isinstance(outcome, HnlmError | dict)


@cases(300)
@given(text=st.text(st.characters(exclude_categories=[]), max_size=60), ending=st.sampled_from(["csv", "tsv", "jsonl"]))
def test_any_text_is_refused_or_counted(tmp_path, text, ending):
    tree, files = VALID["tsv" if ending == "tsv" else "jsonl" if ending == "jsonl" else "csv"]
    head = b"u,i,r,t\n" if ending == "csv" else b""
    write_files(tmp_path, {**files, f"events.{ending}": head + text.encode("utf-8", "surrogatepass")})
    bounded("text", read_all, source_of(tree, tmp_path, 1.0))


NAMES = st.one_of(st.text(max_size=8), st.sampled_from(["u", "i", "\0", "\ud800", "é", "u" * 5000, "\x1b[2J", ""]))


@cases(300)
@given(
    columns=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("user", "item", "rating", "timestamp", "event", "quantity"), NAMES)
    ),
    folds=st.lists(st.sampled_from(["blanks", "decimals", "zeros", "case", "unicode"]), max_size=3),
    options=st.fixed_dictionaries(
        {},
        optional={
            "separator": st.text(min_size=1, max_size=4),
            "encoding": st.one_of(st.text(max_size=6), st.sampled_from(["utf-16", "utf-7", "cp037", "hz", "punycode"])),
            "format": st.sampled_from(["csv", "tsv", "jsonl", "literals", "parquet"]),
            "skip_lines": st.integers(-1, 3),
            "comment": st.text(max_size=2),
            "missing": st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=3),
            "rating_range": st.lists(st.floats(), min_size=2, max_size=2),
            "decimal": st.sampled_from([".", ","]),
            "time_range": st.lists(st.dates().map(str), min_size=2, max_size=2),
            "unreadable": st.sampled_from(["reject", "missing"]),
            "events": st.lists(st.text(max_size=3), max_size=2),
            "compression": st.sampled_from(["none", "gzip", "bz2", "xz", "zip"]),
            "member": st.text(max_size=5),
            "header": st.booleans(),
            "names": st.lists(NAMES, max_size=5),
            "time_format": st.one_of(st.text("%YmdHMSzjUuGV \0", max_size=8), st.just("%Y")),
            "rating_values": st.dictionaries(st.text(max_size=4), st.floats(allow_nan=False, allow_infinity=False)),
        },
    ),
)
def test_any_options_are_refused_or_read(tmp_path, columns, folds, options):
    from hnlm_ray.config.loading import load_config

    write_files(tmp_path, {"e.csv": VALID["csv"][1]["events.csv"]})

    def read():
        import json

        tree = {"format": "table", "interactions": {"path": f"{tmp_path}/e.csv", "columns": columns, **options}}
        tree["fold_ids"] = folds
        (tmp_path / "c.yaml").write_text("name: a\nworkspace: nowhere\n", encoding="utf-8")
        config = load_config(str(tmp_path / "c.yaml"), [f"source={json.dumps(tree)}", "source.max_bad_share=1.0"])
        return read_all(config.source)

    bounded("options", read)
