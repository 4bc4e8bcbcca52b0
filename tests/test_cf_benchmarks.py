"""The benchmarks of the CF engine: what they measure, compare and write; no peer is needed."""

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hnlm_ray.config import CFConfig

FAKE_DRIVER = """
from serving import serve
def fails():
    raise ValueError("no such model")
def prints():
    print("a library's chatter")
    return {"said": 7}
serve({"prints": prints, "fails": fails, "open": lambda pairs: {"pairs": pairs}, "train": lambda: {"cpu_s": 2.0}})
"""


@pytest.fixture(scope="module", autouse=True)
def folder(request):
    path = request.config.rootpath / "benchmarks"
    sys.path[:0] = [str(path), str(path / "peers")]
    yield path
    sys.path[:2] = []


@pytest.fixture
def fake(folder, tmp_path):
    from cf_bench.workers import Worker

    driver = tmp_path / "fake_driver.py"
    driver.write_text(f"import sys; sys.path.insert(0, {str(folder / 'peers')!r})\n{FAKE_DRIVER}")
    with Worker("fake", sys.executable, driver) as worker:
        yield worker


def runs(ours, theirs):
    return {"ours": [{"cpu_s": one} for one in ours], "theirs": [{"cpu_s": one} for one in theirs]}


def test_a_ratio_above_1_means_that_ours_is_better_and_medians_count():
    from cf_bench.report import compare

    taken = runs([2.0, 100.0, 1.0], [7.0, 8.0, 0.1])
    row = compare("epoch", "peer", taken, lambda run: run["cpu_s"], unit="CPU s", target=3)
    assert (row["ours"], row["theirs"], row["ratio"], row["met"]) == (2.0, 7.0, 3.5, True)
    assert row["target"] == ">= 3x"
    assert row["runs"] == taken
    speed = compare("draw", "peer", taken, lambda run: run["cpu_s"], unit="1/s", target=3, more_is_better=True)
    assert (speed["ratio"], speed["met"]) == (pytest.approx(2 / 7), False)


def test_a_figure_that_must_reach_a_least_value_is_judged_without_a_peer():
    from cf_bench.report import row_of

    row = row_of("quality", "log", 0.104, None, unit="recall@20", least=0.105)
    assert (row["ratio"], row["target"], row["met"]) == (None, ">= 0.105", False)


def test_rows_become_a_table():
    from cf_bench.report import row_of, table

    met = row_of("epoch", "RecBole", 2.0, 13.0, unit="CPU s", target=6)
    missed = row_of("draw", "RecBole", 1500.0, 1000.0, unit="1/s", target=20, more_is_better=True)
    assert table([met, missed]).splitlines()[2:] == [
        "| epoch | RecBole | 2 | 13 | CPU s | 6.50 | >= 6x | yes |",
        "| draw | RecBole | 1,500 | 1,000 | 1/s | 1.50 | >= 20x | **no** |",
    ]


def test_a_page_keeps_what_other_scripts_wrote(tmp_path):
    from cf_bench.report import update_section

    page = tmp_path / "benchmarks.md"
    page.write_text("# Benchmarks\n\nBy hand.\n")
    for name, text in (("speed", "old"), ("scale", "linear"), ("speed", "new")):
        update_section(page, name, text)
    assert page.read_text() == (
        "# Benchmarks\n\nBy hand.\n\n<!-- speed -->\nnew\n<!-- /speed -->\n\n<!-- scale -->\nlinear\n<!-- /scale -->\n"
    )


def test_a_report_is_printed_and_written(tmp_path, capsys):
    from cf_bench.report import machine, publish, row_of, section, write_json

    rows = [row_of("epoch", "RecBole", 2.0, 13.0, unit="CPU s", target=6, runs={"ours": [2.0]})]
    report = {"machine": machine(), "versions": {"hnlm": {"torch": "2"}}, "rows": rows}
    publish("speed", section("Speed", report, ["A note."], above="| more |"), tmp_path / "a.md")
    write_json(report, tmp_path / "a.json")
    write_json(report, None)
    written = json.loads((tmp_path / "a.json").read_text())
    assert set(written) == {"machine", "versions", "rows"}
    assert {"work", "peer", "ours", "theirs", "unit", "ratio", "target", "runs"} <= set(written["rows"][0])
    page = (tmp_path / "a.md").read_text()
    assert capsys.readouterr().out.strip() in page
    assert "- A note." in page
    assert "| more |" in page
    assert "- hnlm: torch 2" in page


def test_the_warm_up_is_off_the_clock():
    from serving import WARM_UP, Clock, some_batches

    clock = Clock()
    taken = list(some_batches(iter(range(100, 200)), 3, clock, lambda batch: batch))
    assert taken == list(range(100, 100 + WARM_UP + 3))
    assert clock.stop()["pairs"] == sum(taken[WARM_UP:])


def test_an_epoch_shorter_than_what_is_asked_for_just_ends():
    from serving import WARM_UP, Clock, some_batches

    clock = Clock()
    assert len(list(some_batches(iter(range(WARM_UP + 1)), 9, clock, lambda _: 1))) == WARM_UP + 1
    assert clock.stop()["pairs"] == 1


def test_the_peak_is_that_of_the_process_and_not_of_its_parent(folder):
    block = bytearray(b"x" * 300 * 2**20)
    code = f"import sys; sys.path.insert(0, {str(folder / 'peers')!r}); import serving; print(serving.peak_mib())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 10 < float(done.stdout) < 200
    assert block


def test_power_law_pairs_are_unique_and_leave_no_user_and_no_item_out():
    from cf_bench.datasets import power_law_pairs

    users, items = power_law_pairs(20_000, 2000, 300)
    assert len(set(zip(users.tolist(), items.tolist(), strict=True))) == len(users)
    assert 15_000 < len(users) <= 20_000
    assert (np.bincount(users, minlength=2000) > 0).all()
    popularity = np.sort(np.bincount(items, minlength=300))[::-1]
    assert popularity[-1] > 0
    assert popularity[:30].sum() > 3 * popularity[-30:].sum()


def test_drivers_read_the_pairs_that_were_written(tmp_path):
    from cf_bench.datasets import shared, synthetic
    from serving import read_pairs, read_sizes, to_csr

    data = synthetic(3000, 200, 50)
    dataset = shared("small", data, tmp_path)
    assert read_sizes(dataset.folder) == (200, 50)
    for split, positives in (("train", data.train), ("test", data.test)):
        assert np.array_equal(read_pairs(dataset.folder, split).T, positives.pairs())
    assert to_csr(dataset.folder, "train").nnz == len(data.train)
    assert (data.train.degree > 0).all()
    assert len(data.test) > 300


def test_what_a_library_prints_does_not_mix_with_answers(fake):
    assert fake.ask("prints") == {"said": 7}
    fake.send("prints")
    assert fake.answer() == {"said": 7}


def test_a_failing_peer_is_told_with_its_own_words(fake):
    from cf_bench.environments import PeerMissingError

    with pytest.raises(PeerMissingError, match=r"fake failed: ValueError: no such model\n(.|\n)*Traceback"):
        fake.ask("fails")
    assert fake.ask("prints") == {"said": 7}


def test_a_driver_that_ends_is_told(folder, tmp_path):
    from cf_bench.environments import PeerMissingError
    from cf_bench.workers import Worker

    (tmp_path / "broken.py").write_text("import no_such_module")
    with (
        Worker("broken", sys.executable, tmp_path / "broken.py") as worker,
        pytest.raises(PeerMissingError, match="no_such_module"),
    ):
        worker.ask("open")


def test_sides_take_turns_and_one_that_fails_is_left_out():
    from cf_bench.bench import Bench
    from cf_bench.environments import PeerMissingError

    order = []

    def run(name):
        order.append(name)
        if name == "LensKit" and order.count(name) == 2:
            raise PeerMissingError("LensKit ended\nmuch text")
        return {"cpu_s": 1.0}

    with Bench(3, None, judged=True) as bench:
        found = bench.race({name: lambda name=name: run(name) for name in ("ours", "RecBole", "LensKit")})
    assert order == ["ours", "RecBole", "LensKit"] * 2 + ["ours", "RecBole"]
    assert list(found) == ["ours", "RecBole"]
    assert bench.missing == {"LensKit": "LensKit ended"}
    assert bench.peer("LensKit") is None


def test_a_quick_run_judges_nothing():
    from cf_bench.bench import Bench
    from cf_bench.report import row_of

    with Bench(1, 5, judged=False) as bench:
        bench.add(row_of("epoch", "RecBole", 2.0, 1.0, unit="CPU s", target=6))
    assert (bench.rows[0]["target"], bench.rows[0]["met"]) == (None, None)


def test_a_side_that_trains_on_other_pairs_ends_the_run(fake, tmp_path):
    from cf_bench.datasets import shared, synthetic
    from cf_bench.sides import check_pairs

    dataset = shared("small", synthetic(3000, 200, 50), tmp_path / "pairs")
    fake.pairs = len(dataset.data.train)
    check_pairs(fake, dataset)
    fake.pairs -= 1
    with pytest.raises(SystemExit, match="fake trains on"):
        check_pairs(fake, dataset)


def test_this_engine_answers_as_the_peers_do(tmp_path):
    from cf_bench.bench import our_settings
    from cf_bench.datasets import shared, synthetic
    from cf_bench.workers import own_worker

    dataset = shared("small", synthetic(6000, 400, 100), tmp_path)
    with own_worker() as worker:
        opened = worker.ask("open", folder=str(dataset.folder), settings=our_settings("lightgcn", batch_size=256))
        whole = worker.ask("train", batches=None)
        part = worker.ask("train", batches=2)
        drawn = worker.ask("sample")
        ranked = worker.ask("evaluate")
        assert worker.ask("memory")["peak_mib"] > 50
    assert opened["pairs"] == whole["pairs"] == drawn["pairs"] == len(dataset.data.train)
    assert part["pairs"] == 2 * 256
    assert 0 < ranked["ndcg@20"] < 1
    assert min(run["cpu_s"] for run in (whole, part, drawn, ranked)) > 0


def test_an_environment_is_made_once_and_again_when_its_pins_change(tmp_path, monkeypatch):
    from cf_bench import environments

    commands = []
    monkeypatch.setattr(environments, "DRIVERS", tmp_path)
    monkeypatch.setattr(environments, "_run", lambda command, _: commands.append(command))
    (tmp_path / "one.txt").write_text("one==1")
    (tmp_path / "one").mkdir()
    peer = environments.Peer("One", alone="one==1")
    python = environments.python_of(peer, tmp_path)
    assert [command[-1] for command in commands] == [str(tmp_path / "one"), str(tmp_path / "one.txt"), "one==1"]
    assert environments.python_of(peer, tmp_path) == python
    assert len(commands) == 3
    (tmp_path / "one.txt").write_text("one==2")
    environments.python_of(peer, tmp_path)
    assert len(commands) == 6


def test_a_peer_that_cannot_be_installed_is_reported_with_the_last_words():
    from cf_bench import environments

    code = "import sys; sys.exit('long story\\nERROR: No matching distribution found for one==9')"
    with pytest.raises(environments.PeerMissingError, match="One can't be installed: ERROR: No matching"):
        environments._run([sys.executable, "-c", code], environments.Peer("One"))


def test_every_peer_has_pins_and_a_driver_that_parses():
    from cf_bench.environments import DRIVERS, PEERS

    for peer in PEERS.values():
        assert "==" in peer.pins.read_text()
        assert peer.driver.exists()
    for driver in DRIVERS.glob("*.py"):
        compile(driver.read_text(), driver, "exec")


def test_every_work_knows_its_data_sets():
    from cf_bench.speed_works import TARGETS, WORKS

    assert set(TARGETS) == set(WORKS)
    assert {name for of in TARGETS.values() for name in of} == {"Gowalla", "ML-1M"}


def test_growth_is_an_exponent():
    from cf_bench.scaling import COLUMNS, growth_rows, sizes_table

    def size(rows, seconds):
        return {"rows": rows, "users": rows // 10, "items": rows // 100, **dict.fromkeys(COLUMNS, seconds)}

    found = [size(1000, 50.0), size(10_000, 1.0), size(100_000, 20.0)]
    rows = growth_rows(found, 32, judged=True)
    assert rows[0]["ours"] == pytest.approx(np.log10(20))
    assert rows[0]["met"] is False
    assert rows[-1]["met"] is True
    assert "| 100,000 | 10,000 | 1,000 | 20 |" in sizes_table(found)


def test_samplers_are_judged_by_the_difference_and_its_p():
    from cf_bench.quality_samplers import _row

    base = np.random.default_rng(0).random((3, 200))
    better = _row("DNS", "ndcg@20", base + 0.01, base, judged=True)
    worse = _row("DNS", "ndcg@20", base - 0.01, base, judged=True)
    assert (better["met"], worse["met"]) == (True, False)
    assert better["runs"]["difference"] == pytest.approx(0.01)
    low = _row("DNS", "ndcg@20", base + 0.01, base, 0.9, judged=True)
    assert (low["met"], low["target"]) == (False, "> 1x, p < 0.05, >= 0.9")


def test_candidates_are_chosen_on_validation(monkeypatch):
    from cf_bench import quality_samplers

    figures = {4: 0.1, 8: 0.3, 16: 0.2, 32: 0.0}

    def trained(_, name, count, epochs, seed):
        assert (name, epochs, seed) == ("DNS", 7, 0)
        return SimpleNamespace(validation={"ndcg@20": figures[count]})

    monkeypatch.setattr(quality_samplers, "_train", trained)
    assert quality_samplers.choose_candidates(None, "DNS", 7) == 8


def test_every_name_that_cf_train_lists_has_a_published_figure_or_the_reason_for_none():
    from typing import get_args

    from cf_bench.published_figures import FIGURES, NO_FIGURE
    from cf_bench.quality_published import names_table

    from hnlm_ray.cli.cf import OF_A_RUN

    fields = (CFConfig.model_fields[name].annotation for name in ("model", "sampler", "loss"))
    listed = {name for field in fields for name in get_args(field)} - set(OF_A_RUN)
    with_figure = {name for one in FIGURES for name in one.names}
    assert with_figure | set(NO_FIGURE) == listed
    assert not with_figure & set(NO_FIGURE)
    assert all(f"`{name}`" in names_table() for name in listed)
    assert {one.dataset for one in FIGURES} <= {"Gowalla", "ML-1M", "phone"}


def test_a_published_figure_is_measured_once_and_goes_on_from_there(tmp_path, monkeypatch):
    from cf_bench import quality_published
    from cf_bench.datasets import shared, synthetic
    from cf_bench.published_figures import Published, means

    figure = Published(
        ("mf",), "MF", "phone", {"model": "mf", "dim": 8}, 7, means(0.5, 0.4), "a log", curve={2: means(0.1)},
        least={4: means(0.9)}, seeds=2,
    )  # fmt: skip
    monkeypatch.setattr(quality_published, "FIGURES", (figure,))
    dataset = shared("phone", synthetic(3000, 200, 50), tmp_path / "pairs")
    rows = quality_published.published(dataset, 4, tmp_path, judged=True)
    told = {(row["work"], row["unit"]): row for row in rows}
    early = told["MF, phone, epoch 2 (2 seeds)", "recall@20"]
    assert (early["theirs"], early["peer"], early["met"]) == (0.1, "log at epoch 2", None)
    last = told["MF, phone, epoch 4 (2 seeds)", "recall@20"]
    assert (last["theirs"], last["target"], last["met"]) == (0.5, ">= 0.9", False)
    assert last["peer"] == "epoch 7, their best on test"
    assert not any("honest" in work for work, _ in told)

    trained = []
    monkeypatch.setattr(quality_published, "_say", lambda *_: trained.append(1))
    assert quality_published.published(dataset, 4, tmp_path, judged=True) == rows
    assert not trained
    more = quality_published.published(dataset, 6, tmp_path, judged=True)
    assert len(trained) == 2
    fresh = quality_published.published(dataset, 6, tmp_path / "other", judged=True)
    assert more == fresh
    fewer = quality_published.published(dataset, 5, tmp_path, judged=True)
    assert {row["work"] for row in fewer} == {f"MF, phone, epoch {epoch} (2 seeds)" for epoch in (2, 4)}
    whole = quality_published.published(dataset, 9, tmp_path, ("mf",), judged=True)
    assert sum("honest: epoch" in row["work"] for row in whole) == 2
    assert not quality_published.published(dataset, 9, tmp_path, ("ngcf",), judged=True)
    changed = replace(figure, settings={"model": "mf", "dim": 9})
    monkeypatch.setattr(quality_published, "FIGURES", (changed,))
    with pytest.raises(SystemExit, match="other settings or data: give another --keep"):
        quality_published.published(dataset, 4, tmp_path, judged=True)


def test_the_same_model_of_a_peer_must_lie_within_two_percent(monkeypatch):
    from cf_bench import quality_peers

    twin = quality_peers.TWINS[0]
    sides = [{"recall@20": 0.1, "ndcg@20": value} for value in (0.1, 0.1021)]
    row = quality_peers._twin_row(SimpleNamespace(name="phone"), twin, "ndcg@20", sides[:1], sides[1:])
    assert (row["target"], row["met"]) == ("within 2%", False)
    near = quality_peers._twin_row(SimpleNamespace(name="phone"), twin, "ndcg@20", sides, sides[1:])
    assert near["met"] is True
    alone = quality_peers._twin_row(SimpleNamespace(name="phone"), twin, "ndcg@20", sides, [])
    assert (alone["theirs"], alone["met"]) == (None, None)


def test_a_peer_that_measures_otherwise_is_told():
    from cf_bench.quality_peers import disagreement

    ours = {"recall@20": 0.12344, "ndcg@20": 0.1}
    assert not disagreement({"recall@20": 0.1234, "ndcg@20": 0.1}, ours)
    assert not disagreement({"cpu_s": 3.0}, ours)
    assert "recall@20 0.1254, we 0.1234" in disagreement({"recall@20": 0.1254, "ndcg@20": 0.1}, ours)


@pytest.mark.parametrize("script", ["cf_speed", "cf_quality", "tuning_peers"])
def test_without_data_a_script_says_what_to_give(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(script).parse()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--ml1m" in said
    assert "user item item" in said


def test_a_trial_starts_when_its_workers_trial_before_has_ended():
    from cf_bench.sweep_watch import seen_rows

    events = [
        ("begin", 1, 0.0),
        ("begin", 2, 0.1),
        ("end", 1, 5.0),
        ("begin", 1, 5.2),
        ("end", 2, 6.0),
        ("end", 1, 9.0),
    ]
    notes = [{"event": event, "pid": pid, "at": at, "part": f"mf-{pid}", "own_mib": at} for event, pid, at in events]
    notes += [{"event": "counted", "pid": 0, "at": at, "own_mib": 100.0} for at in (5.0, 6.0, 9.0)]
    notes.append({"event": "rows", "first_epochs": {"mf-1": 0.25, "mf-2": 70.0}})
    driver, worker, start = seen_rows("work", notes, judged=True)
    assert (driver["ratio"], driver["met"]) == (1.0, True)
    assert (worker["ours"], worker["theirs"], worker["met"]) == (9.0, 5.0, False)
    assert (start["ours"], start["met"]) == (pytest.approx(0.45), True)


def test_arrays_outside_of_an_object_store_are_copies():
    from cf_bench.datasets import synthetic
    from cf_bench.sweep_watch import arrays_of, copied_mib

    arrays = arrays_of(synthetic(3000, 200, 50))
    assert len(arrays) == 4
    assert copied_mib(arrays) == sum(array.nbytes for array in arrays) / 2**20 > 0


def test_what_a_killed_command_started_ends_with_it(tmp_path):
    import psutil
    from cf_bench.process_cpu import measure_until

    child = "import time; end = time.time() + 60\nwhile time.time() < end: pass"
    code = (
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {child!r}]).pid, flush=True); input()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid = int(process.stdout.readline())
    reached, run = measure_until(process, 0.6, lambda: psutil.pid_exists(pid))
    assert reached
    assert run["cpu_s"] > 0
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    with pytest.raises(ChildProcessError, match="by itself, with 3"):
        measure_until(subprocess.Popen([sys.executable, "-c", "exit(3)"]), 30, dict)


def test_all_tuners_see_the_same_pairs_and_never_test(tmp_path):
    from cf_bench.datasets import synthetic
    from cf_bench.tuning_job import write_job
    from cf_bench.tuning_sides import read_seen
    from serving import read_pairs

    data = synthetic(3000, 200, 50)
    written = write_job(data, tmp_path / "job", quick=True)
    seen = read_seen(tmp_path / "job")
    assert seen.test is written.test is None
    assert len(seen.train) + len(seen.validation) == len(data.train)
    for split, positives in (("train", written.train), ("validation", written.validation)):
        assert np.array_equal(read_pairs(tmp_path / "job", split).T, positives.pairs())
        assert np.array_equal(getattr(seen, split).items, positives.items)


def test_the_shared_job_is_the_same_search_for_the_sweep_and_for_optuna(tmp_path):
    import optuna
    from cf_bench.tuning_job import JOB, METHOD, asked_settings, sweep_tree

    from hnlm_ray.config import CFConfig, Config
    from hnlm_ray.tune.search.suggest import Suggestions

    config = Config.model_validate(sweep_tree(JOB, str(tmp_path)))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    by_hand = [CFConfig(**asked_settings(JOB, study.ask())) for _ in range(40)]
    by_sweep = [
        Suggestions(METHOD, config.cf, model, config.tune, config.seed).suggest(trial)
        for model in config.tune.models
        for trial in range(1, 20)
    ]
    for found in (by_hand, by_sweep):
        assert {one.model for one in found} == {"mf", "lightgcn"}
        assert {one.candidates for one in found if one.sampler == "dns"} == {4, 8, 16}
        assert {one.layers for one in found if one.model == "lightgcn"} == {1, 2, 3}
        assert all(5e-4 <= one.lr <= 1e-2 and 1e-6 <= one.reg <= 3e-3 for one in found)
        assert {(one.batch_size, one.epochs, one.patience) for one in found} == {(8192, 10, 3)}


def test_tuners_are_compared_by_their_best_trial_and_how_many_have_ended(tmp_path):
    from cf_bench.tuning_race import Tuned, best_of, read_trials, rows_against
    from cf_bench.tuning_sides import note_trial

    assert read_trials(tmp_path) == []
    assert best_of(tmp_path, [], None) == 0.0
    for value in (0.1, 0.25, 0.2):
        note_trial(tmp_path, value, {"model": "mf", "lr": value / 100})
    trials = read_trials(tmp_path)
    ours = Tuned(trials, best_of(tmp_path, trials, None), 9.6)
    assert ours.told() == "trials 3 of mf in 10 CPU s; best: lr 0.0025, model mf"
    best, ended = rows_against("ML-1M", 8, ours, "Peer", Tuned(trials[:1], 0.2, 9.0))
    assert (best["ours"], best["theirs"], best["ratio"]) == (0.25, 0.2, 1.25)
    assert (ended["peer"], ended["ours"], ended["theirs"]) == ("Peer", 3, 1)
    assert rows_against("ML-1M", 8, ours, "Peer", Tuned([], 0.0, 9.0))[0]["ratio"] is None


def test_a_peers_best_factors_are_measured_by_our_evaluation(tmp_path):
    from cf_bench.datasets import synthetic
    from cf_bench.tuning_job import write_job
    from cf_bench.tuning_race import best_of

    seen = write_job(synthetic(3000, 200, 50), tmp_path / "job", quick=True)
    likes = np.zeros((seen.users, seen.items), np.float32)
    likes[seen.validation.pairs()] = 1
    np.savez(tmp_path / "factors.npz", users=likes, items=np.eye(seen.items, dtype=np.float32))
    assert best_of(tmp_path, [{"value": 0.5}], seen) == pytest.approx(1.0)
