"""Negatives in embedding form: the fine-tuned LLM's vector of a pair's hard negative, in the teacher's space.

Two engines for the pooled hidden state of a prompt that holds soft tokens: vLLM, and the training graph.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from hnlm_ray.base.text import named
from hnlm_ray.config import Config
from hnlm_ray.finetune.export import Exported, fetch_exported
from hnlm_ray.finetune.model import DTYPES, pooled, prompt_embeddings
from hnlm_ray.finetune.query import Query
from hnlm_ray.llm.engines.vllm import engine_environment
from hnlm_ray.llm.rows.attempts import ChunkReport
from hnlm_ray.llm.rows.buckets import chunk_rows
from hnlm_ray.llm.rows.job import Key, RowJob, RowPrompt, RowTask
from hnlm_ray.llm.rows.journal import LONE_DEATHS, Journal, Piece
from hnlm_ray.llm.rows.stream import run_rows
from hnlm_ray.negatives.pair_choice import pair_choice
from hnlm_ray.negatives.text import Described
from hnlm_ray.profiles.texts import item_text, user_text
from hnlm_ray.teacher.vectors import read_vectors
from hnlm_ray.workspace.stage import Outcome as StageOutcome
from hnlm_ray.workspace.stage import StageRun
from hnlm_ray.workspace.training_data import bucket_count, histories, rows_by_item, training_rows, user_profiles

_BATCH = 16


class StateEngine(Protocol):
    """Pools the last token's hidden state of each prompt."""

    def states(self, prompts: Sequence[Tensor]) -> Tensor:
        """Return float32[n, hidden] of unit length for prompts float32[tokens, hidden]."""

    def shutdown(self) -> None:
        """Release processes and memory."""


def open_state_engine(config: Config, exported: Exported) -> StateEngine:
    """Start the engine of a configuration."""
    return _STATE_ENGINES[config.embeddings.engine](config, exported)


def pooling_arguments(config: Config, exported: Exported) -> dict[str, Any]:
    """Return vLLM's arguments; those of ``llm.engine_kwargs`` come last, as for text."""
    llm = config.llm
    return {
        "model": exported.folder,
        "runner": "pooling",
        "enable_prompt_embeds": True,
        "dtype": config.embeddings.dtype,
        "max_model_len": exported.form.max_tokens,
        "max_num_seqs": llm.max_num_seqs,
        "tensor_parallel_size": llm.tensor_parallel,
        "enforce_eager": not llm.gpus_per_engine,
        "trust_remote_code": llm.trust_remote_code,
        "enable_prefix_caching": False,
        "disable_log_stats": True,
    } | dict(llm.engine_kwargs)


class VLLMStates:
    """vLLM's pooling runner on prompt embeddings."""

    def __init__(self, config: Config, exported: Exported) -> None:
        from vllm import LLM

        self._dtype = DTYPES[config.embeddings.dtype]
        self._llm = LLM(**pooling_arguments(config, exported))

    def states(self, prompts: Sequence[Tensor]) -> Tensor:
        """See :class:`StateEngine`."""
        asked = [{"prompt_embeds": prompt.to(self._dtype)} for prompt in prompts]
        outputs = self._llm.embed(asked, use_tqdm=False)
        return torch.tensor([output.outputs.embedding for output in outputs])

    def shutdown(self) -> None:
        """See :class:`StateEngine`."""
        self._llm.llm_engine.engine_core.shutdown()


class TorchStates:
    """The training graph, in float32."""

    def __init__(self, exported: Exported) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._decoder = exported.model().llm.get_decoder().to(self._device)

    @torch.inference_mode()
    def states(self, prompts: Sequence[Tensor]) -> Tensor:
        """See :class:`StateEngine`."""
        parts = [self._batch(prompts[start : start + _BATCH]) for start in range(0, len(prompts), _BATCH)]
        return torch.cat(parts)

    def _batch(self, prompts: Sequence[Tensor]) -> Tensor:
        embeddings = torch.nn.utils.rnn.pad_sequence(list(prompts), batch_first=True).to(self._device)
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=self._device)
        mask = (torch.arange(embeddings.shape[1], device=self._device)[None, :] < lengths[:, None]).long()
        output = self._decoder(inputs_embeds=embeddings, attention_mask=mask, use_cache=False)
        return pooled(output.last_hidden_state, mask).cpu()

    def shutdown(self) -> None:
        """Nothing to release."""


_STATE_ENGINES: Final[Mapping[str, Callable[[Config, Exported], StateEngine]]] = {
    "vllm": VLLMStates,
    "torch": lambda _config, exported: TorchStates(exported),
}


log = logging.getLogger(__name__)
Outcome = tuple[Tensor | str, int]
"""A pair's vector, or why it has none; and how often it was asked for."""


def embed_negatives(run: StageRun) -> StageOutcome:
    """Stage: finetuned_model, teacher tables, profiles, interactions (training rows) -> negative_embeddings."""
    config, workspace = run.config, run.workspace
    chosen, seed, limits = config.embeddings, config.seed, config.records

    def prompts(bucket: int) -> list[RowPrompt]:
        users = histories(training_rows(workspace, bucket))
        choose = pair_choice(workspace, chosen.choose, seed)
        items, item_profiles = rows_by_item(workspace, "items"), rows_by_item(workspace, "item_profiles")
        known = Described(items, item_profiles, user_profiles(workspace, bucket))
        return [
            RowPrompt((history.user, item), _texts(known, history.user, item, limits.user_chars, limits.item_chars))
            for history in users
            for item in choose(history, chosen.pairs_per_user)
        ]

    task = RowTask("negative_embeddings", ("user", "item"), bucket_count(workspace), prompts)
    return run_rows(run, task, EmbeddingWorker, engine_environment(run.config.llm))


def _texts(known: Described, user: int, item: int, user_chars: int, item_chars: int) -> list[str]:
    return [
        user_text(known.user_profiles.get(user), user_chars),
        item_text(known.items[item], known.item_profiles.get(item), item_chars),
    ]


class EmbeddingWorker:
    """The Ray Data actor around one state engine: embeds chunks of pairs and writes each as soon as it is whole."""

    def __init__(self, job: RowJob[RowTask]) -> None:
        self._job = job
        self._local = tempfile.TemporaryDirectory(prefix="hnlm-model-")
        self._exported = exported = fetch_exported(job.workspace, self._local.name)
        self._encoder = exported.encoder()
        self._tokens = exported.token_embeddings()
        self._projector, self._head = exported.parts()
        self._users, self._items = (read_vectors(job.workspace, name) for name in ("teacher_users", "teacher_items"))
        self._engine = open_state_engine(job.config, exported)
        # Ray calls the actor from several threads, so that chunks are at hand; vLLM's LLM bears only one.
        self._one_at_a_time = threading.Lock()

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Embed the pairs of each chunk together, write the chunk, and report its size."""
        for chunk in batch.to_pylist():
            rows = chunk_rows(chunk["rows"])
            journal = Journal(self._job.table, chunk["bucket"])
            while (piece := journal.next_piece([row.key for row in rows])) is not None:
                asked = rows[piece.rows.start : piece.rows.stop]
                with self._one_at_a_time:
                    table = self._piece(journal, piece, asked)
                yield ChunkReport.of(table, asked).to_arrow()
                if len(asked) == len(rows):
                    break  # all of it is written: no need to look

    def _piece(self, journal: Journal, piece: Piece, rows: Sequence[RowPrompt]) -> pa.Table:
        if not piece.poison:
            journal.begin(piece)
        table = self._table(rows, poison=piece.poison)
        self._job.table.write(piece.name, table)
        journal.end(piece)
        return table

    def _table(self, rows: Sequence[RowPrompt], *, poison: bool) -> pa.Table:
        known = [row for row in rows if self._users.there[row.key[0]] and self._items.there[row.key[1]]]
        queries = {row.key: self._query(row.key, row.content) for row in known}
        died: Outcome = ("the process died whenever it was asked for this row alone", LONE_DEATHS)
        outcomes = dict.fromkeys(queries, died) if poison else self._outcomes(queries)
        made = [self._row(row, queries.get(row.key), outcomes.get(row.key)) for row in rows]
        return pa.Table.from_pylist(made, schema=self._job.store.schema)

    def _query(self, key: Key, texts: list[str]) -> Query:
        user, item = list(self._users.matrix[key[0]]), list(self._items.matrix[key[1]])
        return self._encoder.encode(texts[0], texts[1], user, item)

    def _outcomes(self, queries: dict[Key, Query], attempt: int = 1) -> dict[Key, Outcome]:
        """Return the vector of each pair, or why there is none; a prompt that kills the engine is found alone."""
        if not queries:
            return {}
        try:
            return {key: (vector, attempt) for key, vector in zip(queries, self._compute(queries), strict=True)}
        except Exception as error:  # noqa: BLE001  whatever an engine raises, the rows are halved and tried again
            log.warning("the engine failed with %d prompts: %s", len(queries), named(error))
            self._restart()
            if len(queries) == 1:
                return {key: (f"the engine failed: {named(error)}"[:200], attempt) for key in queries}
        rows = list(queries.items())
        halves = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        return {key: outcome for half in halves for key, outcome in self._outcomes(dict(half), attempt + 1).items()}

    @torch.inference_mode()
    def _compute(self, queries: dict[Key, Query]) -> Tensor:
        keys = np.array(list(queries), dtype=np.int64)
        both = self._users.matrix[keys[:, 0]], self._items.matrix[keys[:, 1]]
        own = (torch.from_numpy(vectors) for vectors in both)
        embeddings, mask = prompt_embeddings(self._tokens, self._projector, list(queries.values()), *own)
        prompts = [row[: int(length)] for row, length in zip(embeddings, mask.sum(1), strict=True)]
        vectors = functional.normalize(self._head(self._engine.states(prompts)), dim=1)
        if not torch.isfinite(vectors).all():
            raise FloatingPointError("the model gave a vector that is not finite")
        return vectors

    def _restart(self) -> None:
        self._engine.shutdown()
        self._engine = open_state_engine(self._job.config, self._exported)

    def _row(self, asked: RowPrompt, query: Query | None, outcome: Outcome | None) -> dict[str, Any]:
        (user, item), before, (vector, attempts) = asked.key, asked.before, outcome or (None, 0)
        row: dict[str, Any] = {"user": user, "item": item, "vector": None, "error": None}
        row |= {"attempts": before.attempts + attempts, "tokens_cut": query.cut if query else 0}
        row |= {"tokens_in": before.tokens_in + (len(query.ids) if query else 0), "tokens_out": 0}
        row |= {"prompt_version": self._exported.query.version, "model": self._exported.identity}
        row |= {"prompt_cut": 0, "prompt_defused": False}  # its texts are profiles and facts that were bounded before
        if query is None:
            return row | {"status": "no_vector", "error": "the teacher has no vector of its user or item"}
        if isinstance(vector, Tensor):
            return row | {"status": "ok", "vector": vector.numpy().astype(np.float16)}
        return row | {"status": "engine_error", "error": vector}
