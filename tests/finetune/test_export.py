"""The exported folder: all that makes the same vectors, nothing that runs code, and no fall back to the base model."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from exported_model import FIGURES, trained_model
from finetune_tables import K, finetune_config, write_tables
from safetensors.torch import load_file, save_file
from saved_export import export_saved, save_weights

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.finetune.batches import read_records
from hnlm_ray.finetune.export import DESCRIPTION_FILE, PARTS_FILE, fetch_exported, load_trained, model_card
from hnlm_ray.finetune.model import new_model, query_encoder
from hnlm_ray.finetune.query import load_query
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.workspace import Workspace

FILES = {
    *("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    *(PARTS_FILE, DESCRIPTION_FILE, "README.md"),
}


class Made:
    """A workspace with an exported model, and the model that it was made from."""

    def __init__(self, folder, monkeypatch, **finetune):
        self.workspace, self.config = write_tables(folder / "ws"), finetune_config(folder / "ws", **finetune)
        self.model = trained_model(self.config, self.workspace)
        self.trained = save_weights(self.config, self.model, folder, monkeypatch)
        self.rows = export_saved(self.config, self.workspace, self.trained)
        self.folder = folder / "ws" / os.path.dirname(self.rows[0]["path"])

    def batch(self, encoder=None):
        """Return all held-out records."""
        records = read_records(self.workspace, "held_out", encoder or query_encoder(self.config))
        return records.batch(range(len(records)))

    def fetch(self, local):
        return fetch_exported(self.workspace, str(local))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield Made(tmp_path_factory.mktemp("export"), patch)


@torch.no_grad()
def vectors(model, batch):
    return model(batch.queries, batch.users, batch.items)


def test_the_folder_holds_each_file_that_the_table_lists_and_no_other(made):
    assert {os.path.basename(row["path"]) for row in made.rows} == set(os.listdir(made.folder))
    assert set(os.listdir(made.folder)) >= FILES
    assert {row["path"]: row["bytes"] for row in made.rows} == {
        row["path"]: (made.folder / os.path.basename(row["path"])).stat().st_size for row in made.rows
    }


def test_no_other_file_looks_like_a_part_of_the_llm(made):
    """vLLM loads every *.safetensors of the folder into the LLM, and stops at a weight that it doesn't know."""
    assert [path.name for path in made.folder.glob("*.safetensors")] == ["model.safetensors"]


def test_no_file_runs_code_when_it_is_loaded(made):
    for path in made.folder.iterdir():
        head = path.read_bytes()[:4]
        assert head[:2] not in {b"\x80\x02", b"\x80\x04", b"\x80\x05"}  # pickle
        assert head[:2] != b"PK"  # torch.save


@pytest.mark.parametrize("soft", ["soft_tokens", "text"])
def test_the_exported_model_gives_the_vectors_of_the_trained_one(tmp_path, monkeypatch, soft):
    """LoRA is merged, precision and order of the records are the same: only rounding may differ."""
    made = Made(tmp_path, monkeypatch, vectors=soft, max_tokens=240)
    exported = made.fetch(tmp_path)
    batch = made.batch(exported.encoder())
    before, after = vectors(made.model, batch), vectors(exported.model(), batch)
    assert torch.cosine_similarity(before, after).min() > 0.99999
    assert torch.allclose(before, after, atol=1e-3 * float(before.abs().max()))
    assert torch.cosine_similarity(after[:-1], after[1:]).min() < 0.9, "records whose vectors are alike prove nothing"


def test_the_merged_lora_changes_the_vectors(made, tmp_path):
    """The same head and projector on the LLM as it came gives others: the merge is not left out."""
    batch, exported = made.batch(), made.fetch(tmp_path)
    plain = new_model(made.config, K, made.config.seed, lora=False).eval()
    plain.projector.load_state_dict(made.model.projector.state_dict())
    plain.head.load_state_dict(made.model.head.state_dict())
    assert torch.cosine_similarity(vectors(plain, batch), vectors(exported.model(), batch)).mean() < 0.9


def test_tokenizer_and_query_travel(made, tmp_path):
    exported, shipped = made.fetch(tmp_path), load_query(made.config.finetune.query)
    assert (exported.query, exported.k) == (shipped, K)
    assert [query.ids for query in made.batch(exported.encoder()).queries] == [
        query.ids for query in made.batch().queries
    ]
    table = exported.token_embeddings()
    assert torch.equal(table.weight, exported.model().llm.get_input_embeddings().weight)


def test_the_description_says_how_vectors_are_made_and_names_no_place_of_this_machine(made, repository):
    described = json.loads((made.folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    assert described["pooling"] == {"token": "last", "state": "after the final norm", "normalize": True}
    assert described["form"] == {"soft_tokens": 2, "max_tokens": 96}
    for path in made.folder.glob("*.*"):
        if path.suffix in {".json", ".md"}:
            text = path.read_text(encoding="utf-8")
            for place in (str(made.folder.parent), str(repository), os.path.expanduser("~/"), "/tmp"):
                assert place not in text, (path.name, place)


def test_the_model_card_says_what_it_was_trained_on_and_what_came_out(made):
    card = (made.folder / "README.md").read_text(encoding="utf-8")
    assert not re.search(r"\{[{%]", card.replace("{user_vector}", ""))
    assert "40 to train on, 8 of other users held out" in card
    assert str(FIGURES["held_out_loss"]) in card
    assert "{user_vector} likes: {user}" in card


def test_a_card_without_its_facts_is_an_error():
    with pytest.raises(Exception, match="undefined"):
        model_card({"base_model": "x"})


@pytest.mark.parametrize("name", [PARTS_FILE, "model.safetensors", DESCRIPTION_FILE])
@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_file_that_is_not_as_it_was_written_is_refused(made, tmp_path, name, damage):
    workspace, folder = copied(made, tmp_path)
    path = folder / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-5] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(WorkspaceError, match=rf"{re.escape(name)} is missing or damaged: run `hnlm stage finetune`"):
        fetch_exported(workspace, str(tmp_path))


def copied(made, tmp_path):
    """Return a workspace with the same tables and model, and the model's folder in it."""
    shutil.copytree(made.workspace.root, tmp_path / "copy")
    return Workspace.open(str(tmp_path / "copy")), tmp_path / "copy" / os.path.dirname(made.rows[0]["path"])


def test_a_model_whose_file_was_deleted_or_cut_is_not_fresh(made, tmp_path):
    stage = find_stage("finetune")
    workspace, folder = copied(made, tmp_path)
    assert stage.intact(workspace)
    whole = (folder / "tokenizer.json").read_bytes()
    (folder / "tokenizer.json").write_bytes(whole[:-1])
    assert not stage.intact(workspace)
    (folder / "tokenizer.json").write_bytes(whole)
    assert stage.intact(workspace)
    (folder / "tokenizer.json").unlink()
    assert not stage.intact(workspace)


@pytest.mark.parametrize("change", ["no LoRA", "one LoRA weight less", "one weight more"])
def test_trained_weights_that_do_not_fit_are_refused(made, tmp_path, change):
    weights = load_file(made.trained)
    lora = sorted(name for name in weights if "lora_" in name)
    assert lora
    if change == "no LoRA":
        weights = {name: value for name, value in weights.items() if name not in lora}
    elif change == "one LoRA weight less":
        del weights[lora[0]]
    else:
        weights["llm.another"] = torch.zeros(1)
    save_file(weights, tmp_path / "odd.safetensors")
    number = len(lora) if change == "no LoRA" else 1
    with pytest.raises(WorkspaceError, match=rf"don't fit the model \({number} names differ, as llm\..*run again"):
        load_trained(new_model(made.config, K, 1), str(tmp_path / "odd.safetensors"))


def test_the_example_of_the_docs_runs_without_a_workspace(made, repository):
    text = (repository / "docs" / "finetune.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    code = example.replace("runs/demo/models/FINGERPRINT", str(made.folder))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.startswith(f"torch.Size([1, {K}])"), done.stderr[-2000:]
