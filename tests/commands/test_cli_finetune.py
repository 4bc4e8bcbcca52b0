"""`hnlm finetune eval`: its JSON, its words, and what it says where there is nothing to evaluate."""

import json

import pyarrow as pa
import pytest
from rich.console import Console
from typer.testing import CliRunner

from hnlm_ray.cli import app
from hnlm_ray.commands.results.finetune import show_eval
from hnlm_ray.finetune.evaluate.comparison import MEANINGS, METRICS, TUNED, UPPER_BOUND, methods_of
from hnlm_ray.workspace import Rows
from hnlm_ray.workspace.stage import Outcome, Stage
from hnlm_ray.workspace.tables import TABLES

LOSSES = {"held_out_loss_before": 1.25, "held_out_loss": 1.0, "held_out_loss_fall": 0.2}
MRR = {name: round(0.5 - 0.04 * place, 2) for place, name in enumerate(MEANINGS)}  # the first is the best


def write(run, table, rows):
    run.output(table).write_part(run.fingerprint, "part-0", pa.Table.from_pylist(rows, schema=TABLES[table]))


def tune(run):
    row = {"step": 1, "epoch": 1.0, "loss": 1.0, "held_out_loss": 1.0, "lr": 1e-3, "tokens": 9, "seconds": 0.1}
    write(run, "finetune_log", [row])
    return Outcome(Rows(ok=1), counts={"steps": 1, **LOSSES})


def figures(name):
    """Return what the stage writes of a method: scores are no vectors, the first has no difference to itself."""
    values = {"mrr": MRR[name], "recall@10": 0.5, "recall@50": 0.75, "false_negative_rate": 0.0625}
    values |= {"mrr_low": MRR[name] - 0.05, "mrr_high": MRR[name] + 0.05}
    if name != UPPER_BOUND:
        values |= {"cos_target": 0.9, "cos_positive": 0.4}
    if name != TUNED:
        apart = MRR[TUNED] - MRR[name]
        values |= {"difference": apart, "difference_low": apart - 0.06, "difference_high": apart + 0.06}
    return list(values.items())


def measure(run):
    write(run, "finetune_eval", [{"method": name, "pairs": 12, "metrics": figures(name)} for name in MEANINGS])
    return Outcome(Rows(ok=len(MEANINGS)), counts={"pairs": 12, "users": 7})


def is_on(config):
    return config.finetune.enabled


STAGES = (
    Stage("finetune", (), ("finetune_log",), lambda c: {"lr": c.finetune.lr}, tune, "tunes", enabled=is_on),
    Stage(
        "finetune_eval", ("finetune_log",), ("finetune_eval",), lambda c: {"seed": c.seed}, measure, "m", enabled=is_on
    ),
)


@pytest.fixture
def call(small_pipeline, monkeypatch, config_file):
    monkeypatch.setattr("hnlm_ray.pipeline.status.STAGES", STAGES)

    def call(*arguments):
        return CliRunner().invoke(app, ["finetune", "eval", "--config", str(config_file), *arguments])

    return call


def test_help_shows_an_example():
    done = CliRunner().invoke(app, ["finetune", "eval", "--help"])
    assert done.exit_code == 0
    assert "Example: hnlm finetune eval --config configs/demo.yaml --json" in " ".join(done.output.split())


def test_the_json_has_each_method_with_each_metric_and_null_where_there_is_none(call):
    done = call("--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer.keys() == {"pairs", "users", *LOSSES, "verdict", "methods"}
    assert (answer["pairs"], answer["users"]) == (12, 7)
    assert {name: answer[name] for name in LOSSES} == LOSSES
    assert [method["name"] for method in answer["methods"]] == list(MEANINGS)
    own = ["mrr_ci95", "difference", "difference_ci95"]
    assert all(list(method) == ["name", *METRICS, *own] for method in answer["methods"])
    found = {method["name"]: method for method in answer["methods"]}
    assert (found[UPPER_BOUND]["cos_target"], found[UPPER_BOUND]["cos_positive"]) == (None, None)
    assert (found[TUNED]["difference"], found[TUNED]["difference_ci95"]) == (None, [None, None])
    assert found["item_vector"]["mrr_ci95"] == pytest.approx([0.33, 0.43])
    assert found["item_vector"]["difference_ci95"] == pytest.approx([0.06, 0.18])
    assert "is better than item_vector" in answer["verdict"]
    assert {method["name"]: method["mrr"] for method in answer["methods"]} == MRR


def test_it_runs_what_is_not_fresh_once_and_then_reads(call, tmp_path):
    first, second = call("--json-out", str(tmp_path / "a.json")), call("--json-out", str(tmp_path / "b.json"))
    assert (first.exit_code, second.exit_code) == (0, 0)
    calls = (tmp_path / "calls.txt").read_text(encoding="utf-8").splitlines()
    assert calls.count("ray for finetune,finetune_eval") == 1
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == (tmp_path / "b.json").read_text(encoding="utf-8")


def test_the_words_sort_by_rank_explain_every_row_and_end_in_a_verdict(call):
    shown = call().stdout
    assert "12 pairs of 7 held-out users" in shown
    lines = [line for line in shown.splitlines() if line.split()[:1] and line.split()[0] in MEANINGS]
    size = len(MEANINGS)
    standings, others, meanings = lines[:size], lines[size : 2 * size], lines[2 * size : 3 * size]
    for rows in (standings, others):
        assert [row.split()[0] for row in rows] == sorted(MRR, key=lambda name: -MRR[name])
    assert [row.split()[0] for row in meanings] == list(MEANINGS)
    copied = next(row for row in standings if row.startswith("item_vector"))
    assert copied.split()[1:] == ["0.380", "[0.330,", "0.430]", "+0.120", "[+0.060,", "+0.180]"]
    assert next(row for row in standings if row.startswith(f"{TUNED} ")).split()[1:] == ["0.500", "[0.450,", "0.550]"]
    bound = next(row for row in others if row.startswith(UPPER_BOUND))
    assert bound.split()[1:] == ["50.0%", "75.0%", "-", "-", "6.2%"]
    verdict = shown.splitlines()[-1]
    assert verdict.startswith("The fine-tuned LLM (mrr 0.500 [0.450, 0.550]) is better than item_vector")
    assert verdict.endswith("Held-out loss 1.2500 -> 1.0000 (-20.0%).")


def test_tables_fit_80_columns_and_a_table_without_intervals_is_shown_as_well():
    rows = [
        {"method": name, "metrics": [("mrr", 0.1), *([] if name == TUNED else [("difference", 0.0)])]}
        for name in MEANINGS
    ]
    console = Console(record=True, width=80)
    answer = {"pairs": 3, "users": 1, "verdict": "So it is.", "methods": methods_of(rows)}
    show_eval(console, answer)
    shown = console.export_text()
    assert "3 pairs of 1 held-out users" in shown
    assert shown.rstrip().endswith("So it is.")
    assert all(
        line.split()[1:] in (["0.100"], ["0.100", "+0.000"]) for line in shown.splitlines()[3 : 3 + len(MEANINGS)]
    )


def test_without_fine_tuning_it_says_what_to_set(call, tmp_path):
    done = call("--set", "finetune.enabled=false")
    assert (done.exit_code, done.stdout) == (2, "")
    left_out = "stage finetune_eval is left out by this configuration: set finetune.enabled=true and stages=all"
    assert done.stderr == f"error: {left_out}\n"
    assert not (tmp_path / "calls.txt").exists()
