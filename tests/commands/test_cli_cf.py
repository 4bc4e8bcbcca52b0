"""`hnlm cf train`: what it answers, leaves, refuses, and that a stop loses nothing."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from hnlm_ray.cf import EmbeddingScores, evaluate, train
from hnlm_ray.cf.files import load_folder
from hnlm_ray.cli import app
from hnlm_ray.config import CFConfig
from hnlm_ray.config.base import CFModelName

USERS, ITEMS = 30, 40
SMALL = ("--set", "cf.dim=8", "--set", "cf.batch_size=100", "--set", "cf.lr=0.01")
SPLITS = ("train", "validation", "test")
FIELDS = {"model", "sampler", "loss", "seed", "config", "init", "data", "epochs", "best_epoch", "seconds_per_epoch"}
FIELDS |= {"skipped_pairs", "validation", "test", "catalogue", "slices", "fusion", "unread", "peak_rss_mib"}
SOLVED = ("ease", "ials", "popularity")


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def splits():
    """Users like items of their own parity, eight each; split 4 / 2 / 2."""
    rng = np.random.default_rng(0)
    found = {name: [] for name in SPLITS}
    for user in range(USERS):
        odds = np.where(np.arange(ITEMS) % 2 == user % 2, 9.0, 1.0)
        liked = rng.choice(ITEMS, 8, replace=False, p=odds / odds.sum()).tolist()
        for name, items in zip(SPLITS, (liked[:4], liked[4:6], liked[6:]), strict=True):
            found[name] += [(user, item) for item in items]
    return found


def write_ngcf(folder, tables):
    folder.mkdir(exist_ok=True)
    for name, pairs in tables.items():
        rows = [[user, *(item for owner, item in pairs if owner == user)] for user in range(USERS)]
        (folder / f"{name}.txt").write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    return folder


def write_parquet(folder, tables, name_user=lambda user: user, name_item=lambda item: item):
    folder.mkdir(exist_ok=True)
    for name, pairs in tables.items():
        columns = {"user": [name_user(user) for user, _ in pairs], "item": [name_item(item) for _, item in pairs]}
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


@pytest.fixture
def folder(tmp_path):
    found = write_ngcf(tmp_path / "data", splits())
    rng = np.random.default_rng(1)
    np.save(found / "item_text.npy", rng.standard_normal((ITEMS, 6)).astype(np.float32))
    (found / "triples.txt").write_text("".join(f"{user} {user} {user + 5}\n" for user in range(USERS)))
    return found


def call(folder, *arguments, settings=SMALL):
    command = ["cf", "train", "--data", str(folder), "--threads", "1", *settings, *arguments]
    return CliRunner().invoke(app, command)


def answer(folder, *arguments, settings=SMALL):
    done = call(folder, "--json", *arguments, settings=settings)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def refused(told, folder, *arguments, code=2):
    done = call(folder, "--json", *arguments)
    assert done.exit_code == code, done.output
    assert told in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def figures(found):
    return {name: found[name] for name in ("epochs", "best_epoch", "validation", "test", "catalogue", "slices")}


# What it answers


def test_the_answer_has_what_was_trained_and_what_test_says(folder, tmp_path):
    file = tmp_path / "result.json"
    done = call(folder, "--model", "mf", "--sampler", "dns", "--set", "cf.epochs=3", "--json-out", str(file))
    assert done.exit_code == 0, done.stderr
    found = json.loads(file.read_text())
    assert found.keys() == FIELDS
    assert (found["model"], found["sampler"], found["loss"], found["seed"]) == ("mf", "dns", "bpr", 0)
    assert found["config"]["epochs"] == 3
    assert found["config"]["dim"] == 8
    assert found["data"]["users"] == USERS
    assert found["data"]["test"] == 2 * USERS
    assert found["epochs"] == len(found["seconds_per_epoch"]) == 3
    assert found["peak_rss_mib"] > 50
    assert {"recall@10", "ndcg@20", "map@20"} <= found["test"].keys() == found["validation"].keys()
    assert f"recall {found['test']['recall@20']:.4f}" in done.stdout
    assert "epoch" in done.stdout


def test_it_is_the_same_as_the_library(folder):
    found = answer(folder, "--model", "lightgcn", "--loss", "hinge", "--set", "cf.epochs=4", "--seed", "7")
    data = load_folder(folder, "ngcf").data
    torch.set_num_threads(1)
    config = CFConfig(model="lightgcn", loss="hinge", epochs=4, dim=8, batch_size=100, lr=0.01)
    training = train(data, config, 7)
    assert found["validation"] == training.validation
    assert found["test"] == evaluate(training.scorer, data, "test").means
    assert found["best_epoch"] == training.best_epoch


def test_without_validation_all_rows_train_for_exactly_the_epochs(folder):
    found = answer(folder, "--set", "cf.validation=none", "--set", "cf.epochs=5")
    assert found["validation"] == {}
    assert (found["epochs"], found["best_epoch"]) == (5, 5)
    assert found["data"]["held_out_for_validation"] == 0
    training = train(
        load_folder(folder, "ngcf").data, CFConfig(epochs=5, dim=8, batch_size=100, lr=0.01, validation="none"), 0
    )
    assert found["test"] == evaluate(training.scorer, training.data, "test").means


def test_without_a_validation_file_a_part_of_train_is_held_out_and_said(folder):
    tables = splits()
    (folder / "validation.txt").unlink()
    write_ngcf(folder, {"train": tables["train"] + tables["validation"]})
    done = call(folder, "--set", "cf.epochs=1", "--json")
    found = json.loads(done.stdout)
    held = found["data"]["held_out_for_validation"]
    assert held == found["data"]["validation"] >= USERS
    assert found["data"]["train"] == len(tables["train"]) + len(tables["validation"]) - held
    assert f"{held} of the training pairs given were held out" in call(folder, "--set", "cf.epochs=1").stdout


def test_without_a_test_file_nothing_is_read_for_it(folder):
    (folder / "test.txt").unlink()
    found = answer(folder, "--set", "cf.epochs=1")
    assert found["test"] == found["slices"] == found["catalogue"] == {}
    assert found["validation"]["ndcg@20"] > 0


def test_cut_offs_are_those_asked_for_also_above_the_catalogue(folder):
    found = answer(folder, "--set", "cf.epochs=1", "--cutoffs", "3,500", "--metric", "map@500")
    assert {name.partition("@")[2] for name in found["test"]} == {"3", "500"}
    assert found["test"]["recall@500"] == 1
    assert found["test"]["precision@500"] == pytest.approx(2 / 500)


def test_a_seed_repeats_and_another_differs(folder):
    runs = [figures(answer(folder, "--set", "cf.epochs=2", "--seed", seed)) for seed in ("1", "1", "2")]
    assert runs[0] == runs[1] != runs[2]


# Formats


def test_parquet_of_the_same_indices_gives_the_same_figures(folder, tmp_path):
    beside = write_parquet(tmp_path / "parquet", splits())
    np.save(beside / "item_text.npy", np.load(folder / "item_text.npy"))
    for model in ("lightgcn", "id_text"):
        options = ("--model", model, "--set", "cf.epochs=2")
        assert figures(answer(beside, "--format", "parquet", *options)) == figures(answer(folder, *options))


def test_parquet_with_text_ids_keeps_them_beside_the_vectors(tmp_path):
    data = write_parquet(tmp_path / "shop", splits(), lambda user: f"customer {99 - user}", "sku-{:03}".format)
    found = answer(data, "--format", "parquet", "--set", "cf.epochs=2", "--out", str(tmp_path / "out"))
    users = pq.read_table(tmp_path / "out" / "user_ids.parquet")["user"].to_pylist()
    items = pq.read_table(tmp_path / "out" / "item_ids.parquet")["item"].to_pylist()
    assert users == sorted(f"customer {99 - user}" for user in range(USERS))
    assert len(items) == found["data"]["items"]
    assert len(np.load(tmp_path / "out" / "user_embeddings.npy")) == len(users)


# Every name


@pytest.mark.parametrize("model", get_args(CFModelName))
def test_every_model_trains(folder, model):
    found = answer(folder, "--model", model, "--set", "cf.epochs=1", settings=() if model in SOLVED else SMALL)
    assert found["model"] == model
    assert (found["loss"] is None) == (model in SOLVED)
    assert found["test"]["recall@20"] > 0


@pytest.mark.parametrize("sampler", ["rns", "pns", "dns", "dns_mn", "srns", "mixgcf", "dins", "ahns", "in_batch"])
def test_every_sampler_trains(folder, sampler):
    found = answer(folder, "--sampler", sampler, "--set", "cf.epochs=1")
    assert found["sampler"] == sampler
    assert found["test"]["recall@20"] > 0


@pytest.mark.parametrize("loss", get_args(CFConfig.model_fields["loss"].annotation))
def test_every_loss_trains(folder, loss):
    found = answer(folder, "--loss", loss, "--set", "cf.epochs=1")
    assert (found["loss"], found["sampler"]) == (loss, None if loss in {"softmax", "sfcml"} else "rns")
    assert found["test"]["recall@20"] > 0


def test_the_help_names_every_model_sampler_and_loss_that_a_folder_can_be_trained_by():
    told = CliRunner().invoke(app, ["cf", "train", "--help"]).stdout.replace(",", " ").replace(";", " ").split()
    names = {
        name for field in ("model", "sampler", "loss") for name in get_args(CFConfig.model_fields[field].annotation)
    }
    assert names - {"pool", "vectors"} <= set(told)
    assert "pool" not in told


# Fusion, what is left


def test_a_second_model_is_fused_at_the_weight_that_validation_chooses(folder):
    options = ("--model", "mf", "--set", "cf.epochs=3")
    alone = answer(folder, *options)
    found = answer(folder, *options, "--fuse", "ease", "--fuse-set", "cf.ease.reg=5")
    assert found["fusion"]["model"] == "ease"
    assert found["fusion"]["config"]["ease"]["reg"] == 5
    assert found["fusion"]["validation_of_first"] == alone["validation"]
    assert found["validation"]["ndcg@20"] >= max(
        alone["validation"]["ndcg@20"], found["fusion"]["validation_of_second"]["ndcg@20"] - 0.02
    )
    assert found["test"] != alone["test"]


def test_the_vectors_left_rank_as_the_answer_says(folder, tmp_path):
    found = answer(folder, "--set", "cf.epochs=3", "--loss", "softmax", "--out", str(tmp_path / "out"))
    users, items = (torch.from_numpy(np.load(tmp_path / "out" / f"{name}_embeddings.npy")) for name in ("user", "item"))
    assert evaluate(EmbeddingScores(users, items), load_folder(folder, "ngcf").data, "test").means == found["test"]
    kept = json.loads((tmp_path / "out" / "result.json").read_text())
    assert kept["test"] == found["test"]


def test_kept_scores_can_be_distilled_from(folder, tmp_path):
    found = answer(folder, "--model", "ease", "--keep-scores", "--out", str(tmp_path / "ease"), settings=())
    scores = np.load(tmp_path / "ease" / "scores.npy")
    assert scores.shape == (USERS, found["data"]["items"])
    assert not (tmp_path / "ease" / "user_embeddings.npy").exists()
    np.save(folder / "teacher_scores.npy", scores)
    options = ("--loss", "softmax", "--set", "cf.epochs=2")
    plain = answer(folder, *options)
    distilled = answer(folder, *options, "--set", "cf.softmax.distill=3")
    assert distilled["test"] != plain["test"]


def test_the_weight_of_a_teacher_is_told(folder):
    by_behaviour = [
        part for name in ("kernel", "profile", "votes", "cold") for part in ("--set", f"cf.teacher.{name}=0")
    ]
    options = ("--loss", "softmax", "--set", "cf.epochs=2", "--set", "cf.fusion=0.5", *by_behaviour)
    assert answer(folder, *options)["fusion"] == {"model": "teacher", "weight": 0.5}
    refused("fused with a teacher has none", folder, *options, "--faiss", "Flat", "--out", str(folder / "out"))


def test_an_index_finds_what_the_vectors_rank_first(folder, tmp_path):
    faiss = pytest.importorskip("faiss", reason="faiss is an optional package")
    answer(folder, "--set", "cf.epochs=2", "--faiss", "Flat", "--out", str(tmp_path / "out"))
    users, items = (np.load(tmp_path / "out" / f"{name}_embeddings.npy") for name in ("user", "item"))
    _, found = faiss.read_index(str(tmp_path / "out" / "items.faiss")).search(users, 3)
    expected = np.argsort(-(users @ items.T), axis=1, kind="stable")[:, :3]
    assert (found == expected).mean() > 0.99
    refused(
        "can't make an index 'Nope'", folder, "--set", "cf.epochs=0", "--faiss", "Nope", "--out", str(tmp_path / "b")
    )


def test_a_model_without_vectors_has_no_index(folder, tmp_path):
    pytest.importorskip("faiss", reason="faiss is an optional package")
    done = call(folder, "--model", "ease", "--faiss", "Flat", "--out", str(tmp_path), settings=())
    assert done.exit_code == 2
    assert "this model has none" in done.stderr


def documented(repository):
    """Yield the arguments of each `hnlm cf train` in the documents and in the help."""
    texts = [
        path.read_text(encoding="utf-8").replace("\\\n", " ")
        for path in (repository / "README.md", *(repository / "docs").glob("*.md"))
    ]
    found = [line for text in texts for line in re.findall(r"^hnlm cf train (.*)$", text, re.MULTILINE)]
    shown = CliRunner().invoke(app, ["cf", "train", "--help"], terminal_width=400).stdout
    found += re.findall(r"Example: hnlm cf train (.*)$", shown, re.MULTILINE)
    assert len(found) > 5
    return [shlex.split(line, comments=True) for line in found]


def test_every_documented_command_trains(repository, folder, tmp_path):
    shop = write_parquet(tmp_path / "shop", splits(), "u{}".format, "i{}".format)
    places = {"data/gowalla": str(folder), "shop": str(shop), "runs/shop": str(tmp_path / "runs")}
    places["result.json"] = str(tmp_path / "result.json")
    for words in documented(repository):
        command = [places.get(word, word) for word in words]
        if "--out" in words and "--resume" not in words:
            shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        done = CliRunner().invoke(app, ["cf", "train", *command, "--threads", "1", "--set", "cf.epochs=2"])
        assert done.exit_code == 0, (words, done.output)
        assert "test        @20" in done.stdout


# What it notes and refuses


def test_a_setting_that_changes_nothing_is_noted_on_standard_error(folder):
    done = call(folder, "--model", "mf", "--set", "cf.layers=3", "--set", "cf.epochs=1", "--json")
    assert "note: cf.layers is read by models that propagate, not here" in done.stderr
    assert json.loads(done.stdout)["unread"] == ["cf.layers"]
    quiet = call(folder, "--model", "mf", "--set", "cf.epochs=1", "--json")
    assert "note" not in quiet.stderr
    assert json.loads(quiet.stdout)["unread"] == []


@pytest.mark.parametrize(
    ("told", "arguments"),
    [
        ("cf.epoch: unknown key; did you mean 'epochs'?", ("--set", "cf.epoch=3")),
        ("epochs: no setting of a training alone; did you mean 'cf.epochs'?", ("--set", "epochs=3")),
        ("tune.seeds: no setting of a training alone", ("--set", "tune.seeds=3")),
        ("cf.srns.size: unknown key", ("--set", "cf.srns.size=3")),
        ("cf.lr: got 'fast'", ("--set", "cf.lr=fast")),
        ("cf.dim: got 0", ("--set", "cf.dim=0")),
        ("write it as path=value", ("--set", "cf.dim")),
        ("cf.model: got 'lightgnc'", ("--model", "lightgnc")),
        ("cf.sampler: got 'dnss'", ("--sampler", "dnss")),
        ("cf.loss: got 'brp'", ("--loss", "brp")),
        ("--model and --set cf.model name the same setting", ("--model", "mf", "--set", "cf.model=ease")),
        ("cf.guard 1.0 guards the candidates of dns", ("--set", "cf.guard=1")),
        ("cf.bias is part of mf", ("--set", "cf.bias=true")),
        ("takes the whole catalogue and draws nothing by 'dns'", ("--loss", "softmax", "--sampler", "dns")),
        ("cf.sampler 'dns' is of training by gradients", ("--model", "ease", "--sampler", "dns")),
        ("needs a pool of negatives", ("--sampler", "pool")),
        ("needs a vector for training pairs", ("--sampler", "vectors")),
        ("chooses its weight on validation", ("--set", "cf.fusion=validation", "--set", "cf.validation=none")),
        ("did you mean ndcg@20?", ("--metric", "ndgc@20")),
        ("at a cut-off of 10,20", ("--metric", "ndcg@5")),
        ("--cutoffs '0,10' must be whole numbers", ("--cutoffs", "0,10")),
        ("--cutoffs 'ten' must be whole numbers", ("--cutoffs", "ten")),
        ("device 'tpu' is unknown; use cpu, cuda", ("--device", "tpu")),
        ("device 'cuda:64' is not there", ("--device", "cuda:64")),
        ("--resume needs a folder: name it with --out", ("--resume",)),
        ("--keep-scores needs a folder", ("--keep-scores",)),
        ("--faiss needs a folder", ("--faiss", "Flat")),
        ("--fuse-set belongs to the second model", ("--fuse-set", "cf.lr=1")),
        ("--fuse chooses its weight on validation", ("--fuse", "ease", "--set", "cf.validation=none")),
        ("has no training pair: give train.parquet", ("--format", "parquet")),
        ("Invalid value for '--format'", ("--format", "csv")),
        ("Invalid value for '--seed'", ("--seed", "-1")),
        ("is no file in a folder that exists", ("--json-out", "/nowhere/result.json")),
        ("--out /dev/null can't be made", ("--out", "/dev/null")),
    ],
)
def test_what_cant_be_done_is_one_sentence_and_code_2(folder, told, arguments):
    refused(told, folder, *arguments)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("train.txt", "0 1\n1 x\n", "train.txt, line 2: 'x' is no whole number"),
        ("test.txt", "0 1 1\n", "test.txt, line 1: user 0 has item 1 twice"),
        ("triples.txt", "0 1\n", "triples.txt, line 1: write three numbers a line"),
        ("triples.txt", "0 1 4000\n", "triples.txt names a user or an item that has no interaction"),
        ("item_text.npy", "text", "item_text.npy can't be read as a NumPy array"),
    ],
)
def test_a_bad_line_is_told_by_its_file_and_number(folder, name, text, told):
    (folder / name).write_text(text)
    refused(told, folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    refused("is no folder", tmp_path / "none")


def test_a_diverging_training_stops_with_code_1_and_says_what_to_do(folder):
    done = call(folder, "--json", settings=("--set", "cf.lr=1e6", "--model", "mf"))
    assert done.exit_code == 1
    assert done.stdout == ""
    assert re.match(
        r"error: the loss of epoch \d .* with cf\.lr 1e\+06 and cf\.reg 0\.0001; lower cf\.lr\n$", done.stderr
    )


# Stops and resumes


def program(folder, *arguments, every_epoch=True):
    """Return the command as a process of its own; ``every_epoch``: a checkpoint after each, not every 5 seconds."""
    eager = "import hnlm_ray.base.progress as p; p.EVERY_S = 0; p.SHARE = 1e9; " if every_epoch else ""
    # A parent in a background shell ignores Ctrl-C, and so would its child.
    ours = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = f"{ours}{eager}from hnlm_ray.cli import main; main()"
    command = [sys.executable, "-c", code, "cf", "train", "--data", str(folder), "--threads", "1", *SMALL, *arguments]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def stop_after_a_checkpoint(process, checkpoint, number):
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()
    process.send_signal(number)
    return process.communicate(timeout=60)


LONG = ("--set", "cf.epochs=150", "--set", "cf.patience=1000", "--sampler", "srns", "--model", "sgl", "--json")


def test_killed_in_the_middle_it_goes_on_to_the_same_figures(folder, tmp_path):
    out = tmp_path / "out"
    process = program(folder, *LONG, "--out", str(out))
    stop_after_a_checkpoint(process, out / "checkpoint.pt", signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    before = torch.load(out / "checkpoint.pt", weights_only=True)["state"]["trainer"]["epoch"]
    assert 0 < before < 150
    refused("is there from a training before: add --resume", folder, *LONG, "--out", str(out))
    changed = (*LONG, "--set", "cf.dim=9", "--resume", "--out", str(out))
    refused("cf.dim 8 and this training 9", folder, *changed)
    refused("has seed 0 and this training 3", folder, *LONG, "--seed", "3", "--resume", "--out", str(out))
    resumed = program(folder, *LONG, "--resume", "--out", str(out))
    shown, _ = resumed.communicate(timeout=120)
    found = json.loads(shown)
    assert len(found["seconds_per_epoch"]) == found["epochs"] == 150
    assert figures(found) == figures(answer(folder, *LONG[:-1]))
    again = answer(folder, *LONG[:-1], "--resume", "--out", str(out))
    assert figures(again) == figures(found)


def test_other_data_is_not_resumed_with(folder, tmp_path):
    out = ("--out", str(tmp_path / "out"), "--set", "cf.epochs=2")
    answer(folder, *out)
    text = np.load(folder / "item_text.npy")
    text[0, 0] += 1
    np.save(folder / "item_text.npy", text)
    refused("has data ", folder, *out, "--resume")


def test_ctrl_c_says_how_it_goes_on(folder, tmp_path):
    process = program(folder, *LONG, "--out", str(tmp_path / "out"))
    shown, told = stop_after_a_checkpoint(process, tmp_path / "out" / "checkpoint.pt", signal.SIGINT)
    assert process.returncode == 130
    assert shown == ""
    assert told.rstrip().endswith("the same command with --resume goes on from the last checkpoint")
    assert "Traceback" not in told


def test_a_damaged_checkpoint_is_refused(folder, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"nothing")
    refused("can't be read", folder, "--out", str(tmp_path), "--resume")
    refused("is not there: start without --resume", folder, "--out", str(tmp_path / "new"), "--resume")


def test_a_checkpoint_of_before_the_start_could_be_chosen_is_refused(folder, tmp_path):
    out = ("--model", "mf", "--set", "cf.epochs=2", "--out", str(tmp_path))
    assert answer(folder, *out)["init"] == "xavier_uniform"
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    for name in ("cf.init", "cf.init_std", "cf.adam.beta_1"):
        del kept["belongs"][name]
    torch.save(kept, tmp_path / "checkpoint.pt")
    refused("by a version that had no cf.init (this training has auto)", folder, *out, "--resume")


def test_the_installed_command_prints_json_alone(folder):
    command = [os.path.join(os.path.dirname(sys.executable), "hnlm"), "cf", "train", "--data", str(folder)]
    done = subprocess.run(
        [*command, "--model", "mf", "--set", "cf.epochs=1", "--set", "cf.layers=3", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout)["model"] == "mf"
    assert done.stderr.startswith("note: cf.layers")
