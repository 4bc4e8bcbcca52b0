"""`hnlm init` on damaged files: a configuration or one sentence."""

import pytest
from bounds import bounded, cases
from damage import damaged, damages
from hypothesis import given
from hypothesis import strategies as st
from printing import check_printed
from typer.testing import CliRunner
from valid_files import VALID

from hnlm_ray.cli import app
from hnlm_ray.config.loading import load_config

NAMES = ["csv", "tsv", "jsonl", "movielens_latest", "yelp", "ngcf"]


def init(folder, *paths):
    out = folder / "made.yaml"
    out.unlink(missing_ok=True)
    arguments = ["init", *map(str, paths), "--yes", "--out", str(out), "--name", "made"]
    done = check_printed(bounded("init", CliRunner().invoke, app, arguments))
    if done.exit_code == 0:
        assert load_config(str(out)).name == "made"


@pytest.mark.parametrize("name", NAMES)
@cases(8)
@given(found=damages, which=st.integers(0, 2))
def test_damaged_files_are_understood_or_refused(tmp_path, name, found, which):
    _, files = VALID[name]
    hit = sorted(files)[which % len(files)]
    for one, data in files.items():
        (tmp_path / one).write_bytes(damaged(data, found) if one == hit else data * (1 if data[:1] in b"uin" else 30))
    init(tmp_path, *(tmp_path / one for one in sorted(files)))


@cases(40)
@given(data=st.binary(max_size=200), ending=st.sampled_from(["csv", "tsv", "json", "parquet", "zip", "gz", "txt", ""]))
def test_any_bytes_are_understood_or_refused(tmp_path, data, ending):
    path = tmp_path / f"e.{ending}"
    path.write_bytes(data * 20)
    init(tmp_path, path)
    path.unlink()


@pytest.mark.parametrize(
    "path", ["", "\0", "none.csv", "x" * 5000, "/dev/null", "s3://[", "*.csv", "\x1b[2J", "\u202e.csv"]
)
def test_hostile_paths_are_one_sentence(tmp_path, path):
    init(tmp_path, path)


@pytest.mark.parametrize(
    "name", ["../../x", "=1", "\x1b[2J", "a\nb", "{{ 7*7 }}", "a: &a [*a]", "x" * 300, "# }", "'\""]
)
def test_hostile_headers_stay_data(tmp_path, name):
    path = tmp_path / "e.csv"
    quoted = name.replace('"', '""')
    rows = "".join(f"u{n % 7},i{n % 5},{n % 5},{1393545600 + n}\n" for n in range(60))
    path.write_text(f'user_id,item_id,rating,"{quoted}"\n{rows}', encoding="utf-8")
    init(tmp_path, path)
