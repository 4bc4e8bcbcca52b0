"""`hnlm results`: a table that fits the terminal, and a CSV file that no spreadsheet computes."""

import csv
import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from hnlm_ray.base.errors import InputError
from hnlm_ray.cli import app
from hnlm_ray.commands.results.results import csv_target, results_rows, show_results, write_csv
from hnlm_ray.commands.results.results_table import p_value
from hnlm_ray.compare.leaderboard import leaderboard

LEAST_WIDTH = 60


def board(error="loss is nan"):
    rows = [
        {
            "method": method, "search": 0, "seed": seed, "status": "ok", "error": None,
            "validation": [("ndcg@20", mean)], "test": [("ndcg@20", mean), ("recall@20", 2 * mean)],
            "per_user": [mean + (user % 3) * (seed + 1) * (method != "mf-dns") / 100 for user in range(30)],
        }
        for method, mean in {"mf-dns": 0.25, "mf-rns": 0.2, "mf-pool": 0.3}.items()
        for seed in (1, 2)
    ]  # fmt: skip
    trials = [{**row, "trial": row["seed"], "cpu_seconds": 2.5} for row in rows]
    lost = {"method": "mf-pns", "search": 0, "trial": 0, "status": "failed", "error": error}
    lost |= {"validation": None, "cpu_seconds": 1.0}
    sizes = {"users": 30, "items": 9, "interactions": 99}
    return {**leaderboard([*trials, lost], rows, sizes), "fresh": True, "reason": None}


def shown(width):
    console = Console(width=width, file=io.StringIO(), markup=False, highlight=False)
    show_results(console, board())
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [LEAST_WIDTH, 80, 100, 132, 200])
def test_the_table_fits_the_terminal_and_no_figure_is_broken(width):
    lines = shown(width)
    end = next(
        number for number, line in enumerate(lines) if line.startswith(("for want of room", "No gain", "One conf"))
    )
    heading, *rows = lines[1:end]
    assert len(rows) == 4
    assert all(len(line.rstrip()) <= width for line in (heading, *rows))
    assert {"method", "test ndcg@20"} <= {name.strip() for name in heading.split("  ")}
    assert "mf-pool" in rows[0]
    assert "0.3000" in rows[0]


def test_what_there_is_no_room_for_is_named_and_the_widest_shows_all():
    narrow, wide = shown(80), shown(200)
    assert "won/tied/lost" in narrow[1]
    assert any("for want of room without: family, std, " in line and "--csv FILE" in line for line in narrow)
    assert not any("for want of room" in line for line in wide)
    for name in (
        "effect",
        "relative",
        "95% CI",
        "p (Holm)",
        "trials",
        "dimensions",
        "seeds",
        "won/tied/lost",
        "validation",
    ):
        assert name in wide[1]
    assert "30/0/0" in wide[2]


def test_no_p_value_is_shown_as_nothing():
    assert [p_value(value) for value in (None, 0.0, 1e-9, 0.0001, 0.04996, 1.0)] == [
        "", "<0.0001", "<0.0001", "0.0001", "0.0500", "1.0000",
    ]  # fmt: skip


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_file_has_a_row_a_method_with_the_figures_of_the_json(tmp_path):
    answer = board()
    write_csv(csv_target(str(tmp_path / "found.csv")), answer)
    rows = read((tmp_path / "found.csv").read_text())
    assert [row["method"] for row in rows] == [method["name"] for method in answer["methods"]]
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    pool, versus = rows[0], answer["methods"][0]["versus_best_classical"]
    assert float(pool["test_ndcg@20"]) == answer["methods"][0]["test"]["ndcg@20"]
    for name in ("difference", "relative", "p_holm", "effect_size", "wins", "ties", "losses"):
        assert float(pool[name]) == versus[name]
    assert [float(pool["relative_low"]), float(pool["relative_high"])] == versus["relative_ci95"]
    lost = rows[-1]
    assert (lost["method"], lost["failed_trials"], lost["error"], lost["difference"]) == (
        "mf-pns",
        "1",
        "loss is nan",
        "",
    )


@pytest.mark.parametrize("error", ['=HYPERLINK("http://x")', "+1+1", "-2", "@SUM(A1)", "\t=1", '"quoted", and\nlines'])
def test_no_cell_is_a_formula(tmp_path, error):
    write_csv(csv_target(str(tmp_path / "found.csv")), board(error))
    cell = read((tmp_path / "found.csv").read_text())[-1]["error"]
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_columns_do_not_depend_on_the_order_of_methods():
    answer = board()
    turned = {**answer, "methods": answer["methods"][::-1]}
    assert set(results_rows(turned).schema) == set(results_rows(answer).schema)


def test_a_file_that_can_not_be_written_is_refused_first(tmp_path, config_file):
    with pytest.raises(InputError, match="choose another --csv"):
        csv_target(str(tmp_path / "no" / "found.csv"))
    done = CliRunner().invoke(app, ["results", "--csv", str(tmp_path), "--config", str(config_file)])
    assert done.exit_code == 2
    assert "is a folder" in done.stderr


def test_the_command_writes_both(small_pipeline, config_file, tmp_path):
    def call(*arguments):
        return CliRunner().invoke(app, [*arguments, "--config", str(config_file)])

    assert call("run").exit_code == 0
    done = call("results", "--json", "--csv", str(tmp_path / "found.csv"))
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [row["method"] for row in read((tmp_path / "found.csv").read_text())] == [
        method["name"] for method in answer["methods"]
    ]
    assert set(answer["budget"]) == {"search", "stopping", "equal", "trials", "dimensions", "cpu_seconds"}
