"""The fine-tuned model as files that others load: a merged checkpoint, and what makes a query of a pair.

Nothing falls back silently: trained weights must match the model name by name, a file that is missing or
changed is an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import pyarrow.compute as pc
import torch
from jinja2 import Environment, StrictUndefined
from pyarrow import fs as pafs
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.config import Config
from hnlm_ray.finetune.checkpoints import Checkpoints
from hnlm_ray.finetune.loop import TRAINED_FILE
from hnlm_ray.finetune.model import (
    HardNegativeModel,
    Head,
    Projector,
    embedding_scale,
    new_model,
    new_parts,
    open_tokenizer,
    query_form,
    trained_buffers,
    trained_parameters,
)
from hnlm_ray.finetune.query import QueryEncoder, QueryForm, QueryText, load_query
from hnlm_ray.llm.models import base_model, model_identity
from hnlm_ray.teacher.vectors import read_vectors
from hnlm_ray.workspace import Workspace

MODELS_FOLDER = "models"
# safetensors by content; vLLM would take another file of that ending for a part of the LLM.
PARTS_FILE, DESCRIPTION_FILE = "hard_negative.weights", "hard_negative.json"
POOLING = {"token": "last", "state": "after the final norm", "normalize": True}


def load_trained(model: HardNegativeModel, path: str) -> None:
    """Load trained weights into a model as training starts with.

    Raises
    ------
    WorkspaceError
        When the file lacks a weight of the model or has one more: a missing LoRA is no base model.
    """
    weights = load_file(path)
    wanted = {**dict(trained_parameters(model)), **trained_buffers(model)}
    if weights.keys() != wanted.keys():
        odd = sorted(weights.keys() ^ wanted.keys())
        raise WorkspaceError(
            f"the trained weights don't fit the model ({len(odd)} names differ, as {odd[0]}): run again"
        )
    with torch.no_grad():
        for name, tensor in wanted.items():
            if weights[name].shape != tensor.shape:
                raise WorkspaceError(f"trained weight {name} has another shape than the model's: run again")
            tensor.copy_(weights[name])


def export_model(config: Config, checkpoints: Checkpoints, figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Write the merged checkpoint, tokenizer, projector, head, description and model card below the run's folder.

    Returns rows of the table ``finetuned_model``; exports of other fine-tunings are removed.
    """
    workspace, folder = checkpoints.workspace, f"{MODELS_FOLDER}/{checkpoints.name}"
    with tempfile.TemporaryDirectory(prefix="hnlm-export-") as local:
        made = os.path.join(local, "made")
        os.mkdir(made)
        _write_export(config, checkpoints.get(TRAINED_FILE, local), workspace, made, figures)
        rows = _upload(workspace, made, folder)
    _remove_others(workspace, checkpoints.name)
    return rows


def _write_export(config: Config, trained: str, workspace: Workspace, made: str, figures: dict[str, Any]) -> None:
    k = read_vectors(workspace, "teacher_items").matrix.shape[1]
    model = new_model(config, k, config.seed)
    load_trained(model, trained)
    llm = model.llm.merge_and_unload(safe_merge=True)
    llm.save_pretrained(made)
    open_tokenizer(config).save_pretrained(made)
    parts = {name: value for name, value in model.state_dict().items() if not name.startswith("llm.")}
    save_file({name: value.contiguous() for name, value in parts.items()}, os.path.join(made, PARTS_FILE))
    query = load_query(config.finetune.query)
    described = {
        "base_model": model_identity(base_model(config)),
        "query": query.text,
        "query_version": query.version,
        "form": asdict(query_form(config.finetune)),
        "pooling": POOLING,
        "k": k,
        "hidden": llm.config.hidden_size,
        "embedding_scale": embedding_scale(llm),
    }
    _write_text(made, DESCRIPTION_FILE, json.dumps(described, indent=1))
    splits = workspace.table("supervision_records").read(["split"])["split"]
    records = {name: pc.sum(pc.equal(splits, name)).as_py() for name in ("train", "held_out")}
    settings = config.finetune
    about = {"records": records, "figures": figures, "lora": settings.lora, "batch_size": settings.batch_size}
    _write_text(made, "README.md", model_card({**described, **about}))


def model_card(facts: dict[str, Any]) -> str:
    """Fill the model card."""
    text = (files("hnlm_ray.finetune") / "model_card.md.j2").read_text("utf-8")
    # Markdown for people to read; nothing of a user's data is in it.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    return environment.from_string(text).render(facts)


def _write_text(folder: str, name: str, text: str) -> None:
    with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
        stream.write(text)


def _upload(workspace: Workspace, made: str, folder: str) -> list[dict[str, Any]]:
    target = f"{workspace.root}/{folder}"
    workspace.filesystem.create_dir(target, recursive=True)
    local = pafs.LocalFileSystem()
    pafs.copy_files(made, target, source_filesystem=local, destination_filesystem=workspace.filesystem)
    return [
        {"path": f"{folder}/{name}", "bytes": os.path.getsize(path), "sha256": _digest(path)}
        for name in sorted(os.listdir(made))
        for path in [os.path.join(made, name)]
    ]


def _remove_others(workspace: Workspace, keep: str) -> None:
    for info in workspace.filesystem.get_file_info(pafs.FileSelector(f"{workspace.root}/{MODELS_FOLDER}")):
        if info.base_name != keep:
            workspace.filesystem.delete_dir(info.path)


def _digest(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Exported:
    """A fine-tuned model's folder on this machine, and its description."""

    folder: str
    query: QueryText
    form: QueryForm
    k: int
    hidden: int
    scale: float
    identity: str

    def encoder(self) -> QueryEncoder:
        """Return what turns pairs into queries, with the model's own tokenizer and query."""
        from transformers import AutoTokenizer

        return QueryEncoder(AutoTokenizer.from_pretrained(self.folder), self.query, self.form)

    def model(self) -> HardNegativeModel:
        """Load the whole model, for the training graph's way of computing vectors."""
        from transformers import AutoModelForCausalLM

        llm = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32)
        return HardNegativeModel(llm, *self.parts()).eval()

    def token_embeddings(self) -> nn.Embedding:
        """Load the LLM's table of token embeddings alone."""
        from transformers import AutoConfig, AutoModelForCausalLM

        with torch.device("meta"):
            empty = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(self.folder))
        weight = empty.get_input_embeddings().weight
        name = next(name for name, parameter in empty.named_parameters() if parameter is weight)
        weights = _read_tensor(self.folder, name).float()
        return nn.Embedding(weights.shape[0], weights.shape[1], _weight=weights)

    def parts(self) -> tuple[Projector | None, Head]:
        """Load projector and head.

        Raises
        ------
        WorkspaceError
            When a weight is missing or too many.
        """
        projector, head = new_parts(self.hidden, self.k, self.form.soft_tokens, self.scale)
        both = nn.ModuleDict({"head": head} | ({"projector": projector} if projector is not None else {}))
        try:
            both.load_state_dict(load_file(os.path.join(self.folder, PARTS_FILE)))
        except RuntimeError as error:
            raise WorkspaceError(
                f"{self.folder}/{PARTS_FILE} doesn't fit its description: run `hnlm stage finetune` anew"
            ) from error
        return projector, head


def _read_tensor(folder: str, name: str) -> Tensor:
    """Read one tensor of a checkpoint that may be cut into several files."""
    index = os.path.join(folder, "model.safetensors.index.json")
    file = "model.safetensors"
    if os.path.isfile(index):
        with open(index, encoding="utf-8") as stream:
            file = json.load(stream)["weight_map"][name]
    with safe_open(os.path.join(folder, file), framework="pt") as tensors:
        tensor: Tensor = tensors.get_tensor(name)
    return tensor


def fetch_exported(workspace: Workspace, local: str) -> Exported:
    """Return the published fine-tuned model, its files checked; copied to ``local`` from an object store.

    Raises
    ------
    WorkspaceError
        When a file is missing or not as it was written.
    """
    rows = workspace.table("finetuned_model").read().to_pylist()
    folder = os.path.dirname(rows[0]["path"])
    here = f"{workspace.root}/{folder}"
    if workspace.local_path is None:
        try:
            pafs.copy_files(here, local, source_filesystem=workspace.filesystem)
        except FileNotFoundError as error:
            raise WorkspaceError(f"the fine-tuned model is gone from {here}: run `hnlm stage finetune`") from error
        here = local
    for row in rows:
        path = os.path.join(here, os.path.basename(row["path"]))
        if not os.path.isfile(path) or _digest(path) != row["sha256"]:
            raise WorkspaceError(f"{path} is missing or damaged: run `hnlm stage finetune` to make it again")
    return open_exported(here, f"finetuned@{os.path.basename(folder)}")


def open_exported(folder: str, identity: str) -> Exported:
    """Read a model's description."""
    with open(os.path.join(folder, DESCRIPTION_FILE), encoding="utf-8") as stream:
        described = json.load(stream)
    return Exported(
        folder=folder,
        query=QueryText(described["query_version"], described["query"]),
        form=QueryForm(**described["form"]),
        k=described["k"],
        hidden=described["hidden"],
        scale=described["embedding_scale"],
        identity=identity,
    )
