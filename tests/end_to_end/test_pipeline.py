"""The whole pipeline on a real Ray, with the scripted engine."""

import io
import json
from collections import Counter

import pytest
from rich.console import Console
from small_run import ITEMS, USERS, WHOLE, WHOLE_METHODS, run_pipeline, small_config, write_split

from hnlm_ray.commands.results.results import read_results
from hnlm_ray.evidence.judgements import load_judgements
from hnlm_ray.methods.known import RunMethods, trials_of
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.pipeline.status import find_stage, statuses
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.tables import KEYS, TABLES

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
WITHOUT_TEST_ROWS = ("item_profiles", "user_profiles", "semantic_negatives")
WITHOUT_TEST_ROWS += (
    "candidates",
    "judgements",
    "teacher_users",
    "teacher_items",
    "mined_negatives",
    "supervision_records",
)
WITHOUT_TIMES = ("users", "items", "interactions", "item_profiles", "user_profiles", "semantic_negatives")


def whole_config(source, workspace, **changes):
    return small_config(source, workspace, **{"tune__methods": WHOLE_METHODS, **WHOLE, **changes})


def console():
    return Console(file=io.StringIO())


def table_bytes(workspace, name):
    store = workspace.table(name)
    return [open(path, "rb").read() for path in store.paths()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = whole_config(write_split(folder / "source", test_seed=1), folder / "ws")
    workspace, ran = run_pipeline(config, console())
    return config, workspace, ran


def test_every_stage_ran_once_and_every_table_has_its_schema_and_unique_keys(finished):
    _, workspace, ran = finished
    assert ran == [stage.name for stage in STAGES]
    for name, schema in TABLES.items():
        table = workspace.table(name).read()
        assert table.schema.equals(schema), name
        keys = KEYS.get(name)
        if keys:
            rows = list(zip(*(table[key].to_pylist() for key in keys), strict=True))
            assert len(rows) == len(set(rows)), name
            assert bool(rows) == (name != "reviews"), name  # a split file has no reviews


def test_every_sampler_is_redrawn_on_one_model(finished):
    config, workspace, _ = finished
    rows = workspace.table("frontier").read().to_pylist()
    own = {row["method"]: row for row in rows if row["role"] == "own"}
    assert set(own) == set(RunMethods.of(config.tune).compared)
    alike = {row["method"] for row in rows if row["saved"] is not None and row["reason"] is not None}
    assert "lightgcn-hnlmrec_frozen" in alike  # its negatives are those of hnlmrec, whose adapter no one asks here
    none = {name: row["reason"] for name, row in own.items() if row["hardness"] is None}
    assert none == {"popularity": "it is solved and draws no negative"}
    assert all(0 <= row["hardness"] <= 1 for name, row in own.items() if name not in none)
    controls = {(row["controls"], row["method"]) for row in rows if row["role"] == "control"}
    assert ("lightgcn-pool", "lightgcn-pool_random") in controls
    assert ("lightgcn-guard", "lightgcn-guard_no_text") in controls
    assert workspace.table("results").manifest().counts["frontier_model"] in {"lightgcn-rns", "lightgcn-dns"}


def test_every_llm_row_is_accounted_for(finished):
    config, workspace, _ = finished
    expected = {
        "item_profiles": ITEMS,
        "user_profiles": USERS,
        "semantic_negatives": USERS * config.negatives.pairs_per_user,
    }
    for name, count in expected.items():
        manifest = workspace.table(name).manifest()
        assert manifest.rows.ok + manifest.rows.none + manifest.rows.failed == count
        assert manifest.rows.failed == sum(manifest.failed_by_reason.values())
        assert manifest.tokens.tokens_out > 0
        table = workspace.table(name).read()
        assert table.num_rows == count
        text = "negative" if name == "semantic_negatives" else "summary"  # the last attempt asks for no reasoning
        assert all((row["status"] == "ok") == (row[text] is not None) for row in table.to_pylist())
        assert all(row["reasoning"] is None or row["status"] == "ok" for row in table.to_pylist())
        assert all((row["status"] in {"ok", "none"}) == (row["error"] is None) for row in table.to_pylist())


def test_every_user_s_candidates_have_verdicts_or_the_row_a_reason(finished):
    _, workspace, _ = finished
    manifest = workspace.table("judgements").manifest()
    rows = {row["user"]: row for row in workspace.table("judgements").read().to_pylist()}
    listed = {row["user"]: row["items"] for row in workspace.table("candidates").read().to_pylist()}
    assert {user: row["candidates"] for user, row in rows.items()} == listed
    assert len(rows) == USERS
    assert manifest.rows.ok + manifest.rows.none + manifest.rows.failed == USERS
    assert all((row["status"] == "ok") == (row["verdicts"] is not None) for row in rows.values())
    users, items, verdicts = load_judgements(workspace)
    train = {
        (row["user"], row["item"])
        for row in workspace.table("interactions").read().to_pylist()
        if row["split"] == "train"
    }
    judged = set(zip(users.tolist(), items.tolist(), strict=True))
    assert judged <= {(user, item) for user, items in listed.items() for item in items}
    assert not judged & train
    assert set(verdicts.tolist()) == {1.0, -1.0}
    counts = manifest.counts
    assert (counts["judged"], counts["wanted"] + counts["not_wanted"]) == (len(verdicts), len(verdicts))
    taken = manifest.tokens.tokens_in + manifest.tokens.tokens_out
    assert taken == sum(row["tokens_in"] + row["tokens_out"] for row in rows.values())


def test_every_pair_that_was_chosen_has_a_vector_or_a_reason(finished):
    config, workspace, _ = finished
    manifest = workspace.table("negative_embeddings").manifest()
    rows = workspace.table("negative_embeddings").read().to_pylist()
    assert len(rows) == USERS * config.embeddings.pairs_per_user
    assert (manifest.rows.ok + manifest.rows.failed, manifest.rows.none) == (len(rows), 0)
    assert manifest.rows.ok == len([row for row in rows if row["vector"] is not None]) > 0
    assert all((row["status"] == "ok") == (row["vector"] is not None) for row in rows)
    assert manifest.failed_by_reason.get("no_vector", 0) == manifest.rows.failed
    counts = workspace.table("negative_pool").manifest().counts
    assert counts["own_vectors"] == manifest.rows.ok
    train = workspace.table("negative_pool").read(["user"]).num_rows
    assert counts["own_vectors"] + counts["borrowed_vectors"] + counts["pairs_without_vector"] == train


def test_teacher_records_and_vectors_are_about_training_rows_alone(finished):
    _, workspace, _ = finished
    interactions = workspace.table("interactions").read().to_pylist()
    train = {(row["user"], row["item"]) for row in interactions if row["split"] == "train"}
    for name in ("mined_negatives", "supervision_records", "negative_embeddings"):
        rows = workspace.table(name).read(["user", "item"]).to_pylist()
        assert {(row["user"], row["item"]) for row in rows} <= train, name


def test_the_adapter_moves_where_it_is_trained_and_there_alone(finished):
    _, workspace, _ = finished
    shifts = {}
    for row in workspace.table("trials").read().to_pylist():
        shifts.setdefault(row["method"], set()).add(row["adapter_shift"])
        assert (row["vector_coverage"] is None) == ("hnlmrec" not in row["method"])
        assert row["skipped_pairs"] == 0
    assert min(shifts["lightgcn-hnlmrec"]) > 0
    assert shifts["lightgcn-hnlmrec_frozen"] == {0.0}
    assert shifts["lightgcn-dns"] == shifts["lightgcn-guard"] == {None}


def test_the_pool_holds_no_training_positive_and_covers_every_training_pair(finished):
    _, workspace, _ = finished
    interactions = workspace.table("interactions").read().to_pylist()
    train = {(row["user"], row["item"]) for row in interactions if row["split"] == "train"}
    pool = workspace.table("negative_pool").read().to_pylist()
    assert not {(row["user"], negative) for row in pool for negative in row["negatives"]} & train
    assert {(row["user"], row["item"]) for row in pool} == train
    assert len(pool) == len(train)
    assert all(row["vector"] is not None or (row["origin"] == "fallback") == (row["negatives"] == []) for row in pool)
    counts = workspace.table("negative_pool").manifest().counts
    assert counts["own_pairs"] + counts["borrowed_pairs"] + counts["fallback_pairs"] == len(train)


def test_trials_are_equal_in_number_and_results_read_test_once_a_method_and_seed(finished):
    config, workspace, _ = finished
    trials = workspace.table("trials").read().to_pylist()
    methods = {row["method"] for row in trials}
    compared = RunMethods.of(config.tune).compared
    assert methods == set(compared)
    assert Counter(row["method"] for row in trials) == {
        name: trials_of(one.method, config.tune) for name, one in compared.items()
    }
    assert {(row["status"], row["error"]) for row in trials} == {("ok", None)}
    results = workspace.table("results").read().to_pylist()
    assert len(results) == len(methods) * config.tune.seeds
    best = max(
        (row for row in trials if row["method"] == "lightgcn-dns"),
        key=lambda row: dict(row["validation"])[config.tune.metric],
    )
    assert {row["config"] for row in results if row["method"] == "lightgcn-dns"} == {best["config"]}
    assert all({"ndcg@20", "recall@10", "mrr@20"} <= dict(row["test"]).keys() for row in results)
    assert len({len(row["per_user"]) for row in results}) == 1


def test_the_comparison_tells_sizes_groups_and_budget_of_real_trainings(finished):
    config, workspace, _ = finished
    answer = read_results(config, workspace)
    refits = workspace.table("results").read(["per_user", "found"]).to_pylist()
    users, rows = ({len(row[name]) for row in refits} for name in ("per_user", "found"))
    test_rows = workspace.table("interactions").read(["split"])["split"].to_pylist().count("test")
    (compared,) = users
    assert rows == {test_rows}
    assert answer["budget"]["trials"] == [1, config.tune.trials]
    assert answer["budget"]["dimensions"][0] == 0
    assert 0 < answer["budget"]["cpu_seconds"][0] <= answer["budget"]["cpu_seconds"][1]
    assert (answer["budget"]["search"], answer["budget"]["equal"]) == ("random", "trials")
    assert answer["failed_methods"] == []
    for method in answer["methods"]:
        versus = method["versus_best_classical"]
        if method["name"] != answer["best_classical"]:
            assert versus["wins"] + versus["ties"] + versus["losses"] == compared
            histories = [own["users"] for name, own in versus["by_group"].items() if name.startswith("history")]
            assert sum(histories) == compared
            assert any(name.startswith("items") for name in versus["by_group"])


def test_a_second_run_redoes_nothing_and_does_not_start_ray(finished):
    config, workspace, _ = finished
    before = {name: workspace.table(name).manifest().created for name in TABLES}

    def no_cluster(stages):
        raise AssertionError(stages)

    from hnlm_ray.base.progress import LineProgress
    from hnlm_ray.pipeline.run import run_stages

    assert list(run_stages(config, workspace, LineProgress(console()), no_cluster)) == []
    assert {name: workspace.table(name).manifest().created for name in TABLES} == before


def downstream(first):
    """Return a stage and all that reads what it wrote, directly or not."""
    names, made = {first}, set(find_stage(first).outputs)
    for stage in STAGES:
        if made & set(stage.inputs):
            names.add(stage.name)
            made |= set(stage.outputs)
    return names


@pytest.mark.parametrize(
    ("change", "first_stale", "told"),
    [
        ({"cf__epochs": 5}, "trials", "cf.epochs: 4 -> 5"),
        ({"tune__seeds": 3}, "results", "tune.seeds: 2 -> 3"),
        ({"negatives__pool_size": 2}, "negative_pool", "negatives.pool_size: 4 -> 2"),
        ({"profiles__user_history": 3}, "user_profiles", "profiles.user_history: 8 -> 3"),
        ({"prepare__split__validation": 0.3}, "prepare", "prepare.split.validation: 0.2 -> 0.3"),
        ({"evidence__hard": 5}, "candidates", "evidence.hard: 4 -> 5"),
        ({"evidence__reason_chars": 20}, "judgements", "evidence.reason_chars: 40 -> 20"),
        ({"teacher__mined": 5}, "teacher", "teacher.mined: 8 -> 5"),
        ({"embeddings__dtype": "bfloat16"}, "embeddings", "embeddings.dtype: float32 -> bfloat16"),
        ({"llm__temperature": 0.1}, "item_profiles", "llm.temperature: 0.7 -> 0.1"),
        ({"seed": 43}, "prepare", "seed: 42 -> 43"),
    ],
)
def test_a_change_makes_stale_what_depends_on_it_and_says_so(finished, change, first_stale, told):
    config, workspace, _ = finished
    changed = whole_config(config.source.path, config.workspace, **change)
    found = {status.stage.name: status for status in statuses(changed, workspace)}
    assert {name for name, status in found.items() if status.state == "stale"} == downstream(first_stale)
    assert {status.state for status in found.values()} <= {"fresh", "stale"}
    assert told in found[first_stale].reason


@pytest.mark.parametrize(
    "change", [{"llm__batch_rows": 3}, {"llm__engines": 2}, {"tune__concurrent": 1}, {"ray__cpus": 16}]
)
def test_work_paid_for_survives_a_change_of_concurrency(finished, change):
    config, workspace, _ = finished
    changed = whole_config(config.source.path, config.workspace, **change)
    assert {status.state for status in statuses(changed, workspace)} == {"fresh"}


def test_an_edited_item_prompt_reruns_from_item_profiles_on(finished, tmp_path):
    config, workspace, _ = finished
    prompt = tmp_path / "mine.txt"
    prompt.write_text("Describe it.\n===\n{data}\n")
    changed = whole_config(config.source.path, config.workspace, profiles__item_prompt=str(prompt))
    found = {status.stage.name: status for status in statuses(changed, workspace)}
    assert found["prepare"].state == "fresh"
    assert found["item_profiles"].state == "stale"
    assert "prompt: " in found["item_profiles"].reason
    assert found["results"].state == "stale"


@pytest.fixture(scope="module")
def text_form(finished, tmp_path_factory):
    """The same run in other chunks, without fine-tuning: up to the pool."""
    config, _, _ = finished
    config = small_config(config.source.path, tmp_path_factory.mktemp("text_form"), llm__batch_rows=5)
    return run_pipeline(config, console(), only=find_stage("negative_pool"))


def test_held_out_rows_reach_no_prompt_no_teacher_no_record_and_no_pool(finished, text_form, tmp_path):
    _, workspace, _ = finished
    other_source = write_split(tmp_path / "source", test_seed=2)
    other, _ = run_pipeline(whole_config(other_source, tmp_path / "ws"), console(), only=find_stage("records"))
    held_out = [
        {(row["user"], row["item"]) for row in one.table("interactions").read().to_pylist() if row["split"] == "test"}
        for one in (workspace, other)
    ]
    assert held_out[0] != held_out[1]
    for name in WITHOUT_TEST_ROWS:
        assert table_bytes(workspace, name) == table_bytes(other, name), name
    _, ran = run_pipeline(small_config(other_source, tmp_path / "ws"), console(), only=find_stage("negative_pool"))
    assert ran == ["negative_pool"]
    assert table_bytes(text_form[0], "negative_pool") == table_bytes(other, "negative_pool")


def test_prompts_of_a_user_name_training_items_of_that_user_only(finished):
    from hnlm_ray.negatives.text import semantic_negative_task
    from hnlm_ray.profiles.users import user_profile_task
    from hnlm_ray.workspace.training_data import rows_by_item

    config, workspace, _ = finished
    items = rows_by_item(workspace, "items")
    held_out = {}
    for row in workspace.table("interactions").read().to_pylist():
        if row["split"] != "train":
            held_out.setdefault(row["user"], set()).add(items[row["item"]]["title"])
    tasks = [task(config, workspace) for task in (user_profile_task, semantic_negative_task)]
    prompts = [prompt for task in tasks for bucket in range(task.buckets) for prompt in task.prompts(bucket)]
    assert len(prompts) == USERS * 3
    for prompt in prompts:
        text = json.dumps(prompt.content)
        assert "Unique Title" in text
        assert not [title for title in held_out[prompt.key[0]] if title in text]


def test_a_stage_s_manifest_tells_how_good_its_texts_are(finished):
    _, workspace, _ = finished
    for name, column in (
        ("item_profiles", "summary"),
        ("user_profiles", "summary"),
        ("semantic_negatives", "negative"),
    ):
        manifest, rows = workspace.table(name).manifest(), workspace.table(name).read().to_pylist()
        texts = [row[column] for row in rows if row["status"] == "ok"]
        counts = manifest.counts
        assert counts["sampled_texts"] == len(texts) == manifest.rows.ok
        assert counts["valid_share"] == pytest.approx(len(texts) / len(rows), abs=1e-4)
        assert counts["duplicate_share"] == pytest.approx(1 - len(set(texts)) / len(texts), abs=1e-4)
        assert 0 < counts["distinct_1"] <= counts["distinct_2"] <= 1 < counts["compression_ratio"]
        assert counts["prompts_cut"] == sum(row["prompt_cut"] > 0 for row in rows)
        assert counts["prompts_defused"] == sum(row["prompt_defused"] for row in rows)


def test_texts_that_name_a_held_out_positive_are_counted_in_the_results(finished):
    _, workspace, _ = finished
    interactions = workspace.table("interactions").read().to_pylist()
    held_out = {(row["user"], row["item"]) for row in interactions if row["split"] != "train"}
    pool = workspace.table("negative_pool").read().to_pylist()
    named = [(row["user"], row["negatives"][0]) for row in pool if row["verdict"] in {"exact", "fuzzy"}]
    counts = workspace.table("results").manifest().counts
    assert counts["text_named"] == len(named)  # what the scripted engine writes is hardly a title
    assert counts["text_false_negatives"] == len([pair for pair in named if pair in held_out])
    assert ("text_share_at_random" in counts) == bool(named)


def test_the_tables_do_not_depend_on_the_chunk_size_nor_texts_on_fine_tuning(finished, text_form):
    _, workspace, _ = finished
    other, ran = text_form
    assert not {"teacher", "records", "finetune", "finetune_eval", "embeddings"} & set(ran)
    for name in WITHOUT_TIMES:
        assert table_bytes(workspace, name) == table_bytes(other, name), name


def test_a_workspace_opens_by_uri_too(finished):
    config, workspace, _ = finished
    by_uri = Workspace.open(f"file://{config.workspace}")
    assert by_uri.table("items").read().equals(workspace.table("items").read())
