"""`hnlm finetune eval`: its JSON, its words, and what it says where there is nothing to evaluate."""

import json

import pyarrow as pa
import pytest
from rich.console import Console
from typer.testing import CliRunner

from hnlm_ray.cli import app
from hnlm_ray.commands.finetune import in_words, show_eval
from hnlm_ray.finetune.meanings import MEANINGS, METRICS
from hnlm_ray.stage import Outcome, Stage
from hnlm_ray.tables import TABLES
from hnlm_ray.workspace import Rows

LOSSES = {"held_out_loss_before": 1.25, "held_out_loss": 1.0, "held_out_loss_fall": 0.2}
MRR = {name: round(0.5 - 0.04 * place, 2) for place, name in enumerate(MEANINGS)}  # the first is the best


def write(run, table, rows):
    run.output(table).write_part(run.fingerprint, "part-0", pa.Table.from_pylist(rows, schema=TABLES[table]))


def tune(run):
    row = {"step": 1, "epoch": 1.0, "loss": 1.0, "held_out_loss": 1.0, "lr": 1e-3, "tokens": 9, "seconds": 0.1}
    write(run, "finetune_log", [row])
    return Outcome(Rows(ok=1), counts={"steps": 1, **LOSSES})


def measure(run):
    def metrics(name):
        with_cosines = name != "cf_scores"  # scores are no vectors
        values = {"mrr": MRR[name], "recall@10": 0.5, "recall@50": 0.75, "false_negative_rate": 0.0625}
        return values | ({"cos_target": 0.9, "cos_positive": 0.4} if with_cosines else {})

    write(run, "finetune_eval", [{"method": n, "pairs": 12, "metrics": list(metrics(n).items())} for n in MEANINGS])
    return Outcome(Rows(ok=len(MEANINGS)))


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
    monkeypatch.setattr("hnlm_ray.pipeline.STAGES", STAGES)

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
    assert answer.keys() == {"pairs", *LOSSES, "methods"}
    assert answer["pairs"] == 12
    assert {name: answer[name] for name in LOSSES} == LOSSES
    assert [method["name"] for method in answer["methods"]] == list(MEANINGS)
    assert all(list(method) == ["name", *METRICS] for method in answer["methods"])
    scores = next(method for method in answer["methods"] if method["name"] == "cf_scores")
    assert (scores["cos_target"], scores["cos_positive"]) == (None, None)
    assert {method["name"]: method["mrr"] for method in answer["methods"]} == MRR


def test_it_runs_what_is_not_fresh_once_and_then_reads(call, tmp_path):
    first, second = call("--json-out", str(tmp_path / "a.json")), call("--json-out", str(tmp_path / "b.json"))
    assert (first.exit_code, second.exit_code) == (0, 0)
    calls = (tmp_path / "calls.txt").read_text(encoding="utf-8").splitlines()
    assert calls.count("ray for finetune,finetune_eval") == 1
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == (tmp_path / "b.json").read_text(encoding="utf-8")


def test_the_words_sort_by_rank_explain_every_row_and_end_in_a_verdict(call):
    shown = call().stdout
    assert "12 pairs of held-out users" in shown
    lines = [line for line in shown.splitlines() if line.split()[:1] and line.split()[0] in MEANINGS]
    rows, meanings = lines[: len(MEANINGS)], lines[len(MEANINGS) :]
    assert [row.split()[0] for row in rows] == sorted(MRR, key=lambda name: -MRR[name])
    assert [row.split()[0] for row in meanings] == list(MEANINGS)
    scores = next(row for row in rows if row.startswith("cf_scores"))
    assert scores.split()[2:] == ["50.0%", "75.0%", "-", "-", "6.2%"]
    assert "held-out loss 1.2500 -> 1.0000 (-20.0%)" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("own", "told"),
    [(0.6, "(mrr 0.6000) is better than every baseline, the best of which is cf_mlp"), (0.1, "is behind cf_mlp")],
)
def test_the_verdict_names_the_best_baseline_and_no_ablation_of_the_model_itself(own, told):
    mrr = {**dict.fromkeys(MEANINGS, 0.05), "finetuned": own, "cf_mlp": 0.4, "finetuned_no_text": 0.9}
    methods = [{"name": name, **dict.fromkeys(METRICS, 0.0), "mrr": value} for name, value in mrr.items()]
    sentence = in_words({"pairs": 3, "methods": methods})
    assert told in sentence
    assert "held-out loss" not in sentence


def test_a_table_without_losses_is_shown_as_well():
    methods = [{"name": name, **dict.fromkeys(METRICS), "mrr": 0.1} for name in MEANINGS]
    console = Console(record=True, width=200)
    show_eval(console, {"pairs": 3, "methods": methods})
    assert "3 pairs" in console.export_text()


def test_without_fine_tuning_it_says_what_to_set(call, tmp_path):
    done = call("--set", "finetune.enabled=false")
    assert (done.exit_code, done.stdout) == (2, "")
    left_out = "stage finetune_eval is left out by this configuration: set finetune.enabled=true and stages=all"
    assert done.stderr == f"error: {left_out}\n"
    assert not (tmp_path / "calls.txt").exists()
