"""Defects of published code that this project must not repeat: each check passes here and finds its defect planted.

A check is a function that raises AssertionError. It runs once on the code as it is, and once with the defect put in
by monkeypatching: a check that would let the defect pass fails the second run.
"""

import asyncio
import json
import re
import subprocess
import uuid
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from exported_model import trained_model
from finetune_tables import ITEMS, USERS, finetune_config, publish, vectors_of, write_tables
from safetensors.torch import load_file, save_file
from saved_export import export_saved, save_weights

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.cf import CFData, PairVectors, Positives, Trainer, evaluate, train
from hnlm_ray.cf.evaluate import evaluation as cf_evaluation
from hnlm_ray.config import CFConfig, Config
from hnlm_ray.finetune import export as exporting
from hnlm_ray.finetune.batches import read_records
from hnlm_ray.finetune.export import fetch_exported
from hnlm_ray.finetune.query import Query, QueryEncoder
from hnlm_ray.llm.engines.scripted import ScriptedEngine
from hnlm_ray.llm.rows.job import LLMTask, RowJob, RowPrompt, RowTask
from hnlm_ray.llm.rows.worker import EngineWorker
from hnlm_ray.llm.text.answers import AnswerFormat
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.negatives import embedding
from hnlm_ray.negatives import embedding as embedding_engines
from hnlm_ray.negatives.embedding import EmbeddingWorker
from hnlm_ray.teacher.vectors import Vectors
from hnlm_ray.workspace import ChunkedTable

WITHOUT_VECTOR = 5  # a user that the teacher has no vector of
CF = {"dim": 8, "lr": 0.02, "batch_size": 64, "epochs": 6, "patience": 2, "alpha": 0.5, "adapter_hidden": (8,)}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class World:
    """Small data and a small fine-tuned model, made once."""

    def __init__(self, folder, repository):
        self.folder, self.repository = folder, repository
        self.data = cf_data()
        self.workspace = write_tables(folder / "ws")
        self.config = Config.model_validate(
            {
                **finetune_config(folder / "ws").model_dump(mode="json"),
                "embeddings": {"engine": "torch"},
            }
        )
        model = trained_model(self.config, self.workspace)
        with pytest.MonkeyPatch.context() as patch:
            self.trained = save_weights(self.config, model, folder, patch)
        export_saved(self.config, self.workspace, self.trained)
        users = [None if n == WITHOUT_VECTOR else row.tolist() for n, row in enumerate(vectors_of("users"))]
        publish(self.workspace, "teacher_users", [{"user": n, "vector": row} for n, row in enumerate(users)])
        self.pairs = [RowPrompt((user, (3 * user) % ITEMS), texts(user)) for user in range(USERS)]

    def worker(self, chunks="c" * 64):
        """The worker of the embedding stage, on the training graph."""
        task = RowTask("negative_embeddings", ("user", "item"), 1, lambda _: [])
        table = ChunkedTable(self.workspace.table(task.table), chunks, "f" * 64)
        return EmbeddingWorker(RowJob(task, self.config, self.workspace, table))

    def rows(self):
        return {row["user"]: row for row in self.worker()._table(self.pairs, poison=False).to_pylist()}


def texts(user):
    return [f"person {user} likes " + "long films and " * (user % 5), f"Thing {3 * user % ITEMS}: of kind {user % 7}"]


def cf_data(users=40, items=50, seed=1):
    """Users like items of their own group; vectors for most training pairs."""
    draw = np.random.default_rng(seed)
    liked = [draw.permutation(np.flatnonzero(np.arange(items) % 4 == user % 4))[:9] for user in range(users)]
    pairs = [np.array([(user, item) for user, mine in enumerate(liked) for item in mine[part]]) for part in _PARTS]
    fit, stop, held_out = (Positives.from_pairs(*rows.T, users) for rows in pairs)
    own_users, own_items = fit.pairs()
    covered = np.flatnonzero(draw.random(len(own_users)) < 0.6)
    raw = draw.normal(size=(len(covered), 12))
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    where = own_users[covered], own_items[covered], np.arange(len(covered))
    own = PairVectors.from_rows(fit, *where, vectors, n_items=items)
    return CFData(users, items, fit, stop, held_out, vectors=own)


_PARTS = (slice(0, 5), slice(5, 7), slice(7, 9))


@pytest.fixture(scope="module")
def world(tmp_path_factory, repository):
    return World(tmp_path_factory.mktemp("world"), repository)


def the_adapter_is_trained(world):
    """An adapter that no optimiser sees stays a random projection."""
    trainer = Trainer(world.data, CFConfig(sampler="vectors", **CF), 1)
    trainer.run_epoch()
    assert trainer.adapted.shift > 0.01


def leave_the_adapter_out(patch):
    from hnlm_ray.cf.training.steps import AutogradSteps

    honest = AutogradSteps.__init__
    patch.setattr(AutogradSteps, "__init__", lambda self, *parts: honest(self, *parts[:-1], None))


def every_pair_has_a_vector_of_its_own(world):
    """One number repeated along a vector, or one vector for all pairs, says nothing of a pair."""
    rows = world.rows()
    vectors = np.array([row["vector"] for row in rows.values() if row["status"] == "ok"], dtype=np.float32)
    assert len(vectors) == USERS - 1
    assert vectors.std(axis=1).min() > 0.02
    cosines = vectors @ vectors.T - 2 * np.eye(len(vectors))
    assert cosines.max() < 0.9999
    assert np.median(cosines) < 0.9


def repeat_one_number(patch):
    honest = EmbeddingWorker._compute

    def broadcast(self, queries):
        found = honest(self, queries)
        return torch.nn.functional.normalize(found[:, :1].expand_as(found), dim=1)

    patch.setattr(EmbeddingWorker, "_compute", broadcast)


def give_all_pairs_one_vector(patch):
    honest = EmbeddingWorker._compute
    patch.setattr(EmbeddingWorker, "_compute", lambda self, queries: honest(self, queries)[:1].expand(len(queries), -1))


def a_missing_vector_is_a_counted_row(world):
    """Where the teacher has no vector there is no negative: neither noise nor zeros take its place."""
    row = world.rows()[WITHOUT_VECTOR]
    assert (row["status"], row["vector"]) == ("no_vector", None)
    assert "teacher has no vector" in row["error"]


def fill_missing_vectors_with_noise(patch):
    honest = embedding.read_vectors

    def noisy(workspace, name):
        found = honest(workspace, name)
        noise = np.random.default_rng(0).normal(size=found.matrix.shape).astype(np.float32)
        return Vectors(np.where(found.there[:, None], found.matrix, noise), np.ones_like(found.there))

    patch.setattr(embedding, "read_vectors", noisy)


def a_pair_without_vector_learns_from_the_sampled_item_alone(world):
    """With vectors for none of the pairs a training equals that of the base sampler, bit for bit."""
    bare = replace(world.data.vectors, row=np.full_like(world.data.vectors.row, -1))
    trainer = Trainer(replace(world.data, vectors=bare), CFConfig(sampler="vectors", base_sampler="rns", **CF), 1)
    # Vectors are trained by autograd, so the base sampler is too.
    alone = Trainer(world.data, CFConfig(sampler="rns", gradients="autograd", **CF), 1)
    assert trainer.run_epoch().loss == alone.run_epoch().loss
    assert torch.equal(trainer.model.table, alone.model.table)


def read_the_last_vector_for_a_missing_pair(patch):
    from hnlm_ray.cf.objectives.adapted import AdaptedNegatives

    honest = AdaptedNegatives.hard

    def filled(self, negatives):
        rows = torch.where(negatives.vector_rows < 0, 0, negatives.vector_rows)
        mix = torch.full_like(negatives.mix, self.config.alpha)
        negatives.mix.copy_(mix)
        return honest(self, replace(negatives, vector_rows=rows))

    patch.setattr(AdaptedNegatives, "hard", filled)


def training_and_inference_give_one_vector(world):
    """Both pool the same token after the same prompt; rounding to float16 apart, vectors agree."""
    exported = fetch_exported(world.workspace, str(world.folder))
    records = read_records(world.workspace, "held_out", exported.encoder())
    batch = records.batch(range(len(records)))
    with torch.no_grad():
        wanted = exported.model()(batch.queries, batch.users, batch.items)
    names = ("user", "item", "user_text", "item_text")
    asked = _rows(records, names)
    pairs = [RowPrompt((row["user"], row["item"]), [row["user_text"], row["item_text"]]) for row in asked]
    made = world.worker()._table(pairs, poison=False).to_pylist()
    found = {(row["user"], row["item"]): row["vector"] for row in made}
    stored = torch.tensor(np.array([found[row.key] for row in pairs], dtype=np.float32))
    assert torch.cosine_similarity(stored, wanted).min() > 0.999


def _rows(records, names):
    return records.rows.select(list(names)).to_pylist()


def pool_by_the_mean_in_inference(patch):
    def mean(hidden, mask):
        summed = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return torch.nn.functional.normalize(summed.float(), dim=1)

    patch.setattr(embedding_engines, "pooled", mean)


def no_prompt_loses_its_end(world):
    """Long texts give way to the fixed text: the token that is pooled is the same in every query."""
    encoder = fetch_exported(world.workspace, str(world.folder)).encoder()
    short, long = encoder.encode("a", "b"), encoder.encode("likes war films " * 30, "Alien: in space " * 30)
    assert long.ids[-20:] == short.ids[-20:]
    assert len(long.ids) == world.config.finetune.max_tokens
    assert long.cut > 0
    assert [long.ids.count(place) for place in (-1, -2)] == [world.config.finetune.soft_tokens] * 2


def cut_prompts_at_64_tokens(patch):
    honest = QueryEncoder.encode
    patch.setattr(QueryEncoder, "encode", lambda *asked: Query(honest(*asked).ids[:64], 0))


def held_out_rows_choose_nothing(world):
    """The best epoch comes from validation: other test rows leave the training as it is."""
    users, items = world.data.test.pairs()
    other = Positives.from_pairs(users, (items + 1) % world.data.items, world.data.users)
    fitted = [train(data, CFConfig(**CF), 1) for data in (world.data, replace(world.data, test=other))]
    assert fitted[0].best_epoch == fitted[1].best_epoch
    assert fitted[0].validation == fitted[1].validation
    assert torch.equal(fitted[0].item_embeddings, fitted[1].item_embeddings)


def stop_early_on_test(patch):
    honest = Trainer.evaluate
    patch.setattr(Trainer, "evaluate", lambda self, _split, cutoffs: honest(self, "test", cutoffs))


def hit_rate_counts_users_with_a_hit(world):
    """Hit rate is the share of users with one hit or more in the list, not hits over positives."""
    fitted = train(world.data, CFConfig(**CF), 1)
    found = evaluate(fitted.scorer, world.data, "test", (5,)).means
    scores = (fitted.user_embeddings @ fitted.item_embeddings.T).detach().numpy().copy()
    for split in (world.data.train, world.data.validation):
        scores[split.pairs()] = -np.inf
    wanted = set(zip(*(side.tolist() for side in world.data.test.pairs()), strict=True))
    first = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    hits = [sum((user, int(item)) in wanted for item in row) for user, row in enumerate(first)]
    assert found["hit_rate@5"] == pytest.approx(np.mean([one > 0 for one in hits]))
    assert found["recall@5"] == pytest.approx(np.mean(hits) / 2)


def divide_hits_by_positives(patch):
    honest = cf_evaluation.ranking_metrics

    def odd(hits, relevant, cutoffs):
        return {**honest(hits, relevant, cutoffs), **{f"hit_rate@{k}": hits[:, :k].sum(1) / relevant for k in cutoffs}}

    patch.setattr(cf_evaluation, "ranking_metrics", odd)


def a_missing_lora_stops_the_export(world):
    """Without its LoRA weights the fine-tuned model would be the base model under another name."""
    weights = {name: value for name, value in load_file(world.trained).items() if "lora_" not in name}
    (world.folder / "bare").mkdir(exist_ok=True)
    bare = world.folder / "bare" / "trained.safetensors"
    save_file(weights, bare)
    try:
        export_saved(world.config, world.workspace, bare)
    except WorkspaceError as error:
        assert "don't fit the model" in str(error)  # noqa: PT017  a check raises AssertionError and nothing else
    else:
        raise AssertionError("a model without LoRA weights was exported")


def load_what_is_there(patch):
    def lenient(model, path):
        model.load_state_dict(load_file(path), strict=False)

    patch.setattr(exporting, "load_trained", lenient)


def chunks_are_written_as_they_are_made(world):
    """A run that is killed loses the chunk at work, not everything before it."""
    worker, store = world.worker("d" * 64), world.workspace.table("negative_embeddings")
    store.remove_parts("d" * 64)
    cut = [world.pairs[:3], world.pairs[3:6]]
    rows = [json.dumps([[row.key, row.content, 0, False, [0, 0, 0], {}] for row in part]) for part in cut]
    chunks = pa.table({"bucket": [0, 0], "rows": rows})
    for number, _ in enumerate(worker(chunks), 1):
        assert len(store.parts("d" * 64)) == number


def write_at_the_end(patch):
    honest = EmbeddingWorker.__call__

    def late(self, batch):
        kept, write = [], type(self._job.store).write_part
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(type(self._job.store), "write_part", lambda *asked: kept.append(asked))
            yield from list(honest(self, batch))
        for asked in kept:
            write(*asked)

    patch.setattr(EmbeddingWorker, "__call__", late)


def rows_of_a_chunk_are_asked_together(world):
    """An LLM that is asked for one row after the other leaves an engine idle."""
    assert _most_in_flight(world) == 6


def _most_in_flight(world):
    flying = SimpleNamespace(now=0, most=0)
    honest = ScriptedEngine.generate

    async def counted(self, *asked):
        flying.now += 1
        flying.most = max(flying.most, flying.now)
        try:
            return await honest(self, *asked)
        finally:
            flying.now -= 1

    expected, prompts = AnswerFormat({"a": 40, "b": 40}), [load_prompt("item_profile.v1")] * 2
    columns = {"a": "summary", "b": "reasoning"}
    task = LLMTask("item_profiles", ("item",), 1, lambda _: [], expected, columns, 32, *prompts)
    table = ChunkedTable(world.workspace.table(task.table), uuid.uuid4().hex * 2, "f" * 64)
    job = RowJob(task, world.config, world.workspace, table)
    rows = json.dumps([[[item], {"title": str(item)}, 0, False, [0, 0, 0], {}] for item in range(6)])

    async def ask(worker):
        return [part async for part in worker(pa.table({"bucket": [0], "rows": [rows]}))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptedEngine, "generate", counted)
        asyncio.run(ask(EngineWorker(job)))
    return flying.most


def ask_one_after_the_other(patch):
    async def serial(*waiting, return_exceptions=False):
        return [await one for one in waiting]

    patch.setattr("hnlm_ray.llm.rows.worker.asyncio.gather", serial)


SECRETS = re.compile(
    r"\bAKIA[0-9A-Z]{16}\b|\bsk-[A-Za-z0-9_-]{20,}|\bhf_[A-Za-z0-9]{30,}|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bxox[abp]-[A-Za-z0-9-]{10,}|\bAIza[0-9A-Za-z_-]{35}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|(?i:api_?key|secret_?key|password)\s*[=:]\s*[\"'][A-Za-z0-9/+_-]{24,}[\"']"
)


def no_file_holds_a_secret(world):
    """Keys belong into the environment."""
    assert not [path for path, text in _tracked(world) if SECRETS.search(text)]


def _tracked(world):
    listed = subprocess.run(["git", "ls-files"], cwd=world.repository, capture_output=True, text=True, check=False)
    names = listed.stdout.split("\n") if listed.returncode == 0 else []
    paths = [world.repository / name for name in names if name] or sorted(world.repository.rglob("*.py"))
    more = sorted((world.folder / "committed").glob("*"))
    for path in [*paths, *more]:
        if path.is_file():
            yield path, path.read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True)
class Defect:
    """A check, and what puts the defect in that it must find."""

    check: object
    plant: object


DEFECTS = [
    Defect(the_adapter_is_trained, leave_the_adapter_out),
    Defect(every_pair_has_a_vector_of_its_own, repeat_one_number),
    Defect(every_pair_has_a_vector_of_its_own, give_all_pairs_one_vector),
    Defect(a_missing_vector_is_a_counted_row, fill_missing_vectors_with_noise),
    Defect(a_pair_without_vector_learns_from_the_sampled_item_alone, read_the_last_vector_for_a_missing_pair),
    Defect(training_and_inference_give_one_vector, pool_by_the_mean_in_inference),
    Defect(no_prompt_loses_its_end, cut_prompts_at_64_tokens),
    Defect(held_out_rows_choose_nothing, stop_early_on_test),
    Defect(hit_rate_counts_users_with_a_hit, divide_hits_by_positives),
    Defect(a_missing_lora_stops_the_export, load_what_is_there),
    Defect(chunks_are_written_as_they_are_made, write_at_the_end),
    Defect(rows_of_a_chunk_are_asked_together, ask_one_after_the_other),
]


def named(defect):
    return f"{defect.check.__name__}-{defect.plant.__name__}"


@pytest.mark.parametrize("check", dict.fromkeys(one.check for one in DEFECTS), ids=lambda check: check.__name__)
def test_this_code_has_no_such_defect(world, check):
    check(world)


@pytest.mark.parametrize("defect", DEFECTS, ids=named)
def test_the_check_finds_the_defect_where_it_is(world, monkeypatch, defect):
    defect.plant(monkeypatch)
    with pytest.raises(AssertionError):
        defect.check(world)


def test_no_tracked_file_holds_a_secret_and_one_that_did_would_be_found(world):
    no_file_holds_a_secret(world)
    (world.folder / "committed").mkdir()
    for number, secret in enumerate(("AK" + "IA" + "Q" * 16, "s" + "k-" + "a1" * 12, "api_key = '" + "x9" * 14 + "'")):
        file = world.folder / "committed" / f"settings{number}.py"
        file.write_text(f"KEY = {secret!r}\n", encoding="utf-8")
        with pytest.raises(AssertionError):
            no_file_holds_a_secret(world)
        file.unlink()
