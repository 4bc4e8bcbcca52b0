"""One model, two engines: the exported checkpoint served by vLLM gives the vectors of the training graph.

A real LLM with LoRA weights that change what it says, merged and exported as the stage does it; 200 pairs whose
texts have every length, so that padding, batches and the cut of long texts all take part.
"""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from exported_model import trained_model
from finetune_tables import ITEMS, USERS, finetune_config, vectors_of, write_tables
from saved_export import export_saved, save_weights

from hnlm_ray.config import Config
from hnlm_ray.finetune.export import fetch_exported
from hnlm_ray.finetune.model import new_model

pytestmark = [pytest.mark.real, pytest.mark.no_ray]
PAIRS, BATCH, LEAST_NEAREST = 200, 20, 0.95
WORDS = "films about war and the sea, loud guitars, old maps, a quiet garden, robots, tea, mountains in winter, chess"

SCRIPT = textwrap.dedent("""
    import json, os, sys
    from types import SimpleNamespace
    import torch

    def main(config_file, pairs_file, out):
        from hnlm_ray.config import Config
        from hnlm_ray.llm.engines.vllm import engine_environment
        from hnlm_ray.negatives.embedding import EmbeddingWorker
        from hnlm_ray.workspace import Workspace

        config = Config.model_validate_json(open(config_file).read())
        os.environ.update(engine_environment(config.llm))
        worker = EmbeddingWorker(SimpleNamespace(config=config, workspace=Workspace.open(config.workspace)))
        pairs = json.load(open(pairs_file))
        queries = {tuple(key): worker._query(tuple(key), texts) for key, texts in pairs}
        states, pool = [], worker._engine.states
        worker._engine.states = lambda prompts: states.append(pool(prompts)) or states[-1]
        found = worker._compute(queries)
        torch.save({"vectors": found.clone(), "states": states[0]}, out)
        worker._engine.shutdown()

    if __name__ == "__main__":
        main(*sys.argv[1:])
""")


def pair_texts():
    """Return 200 pairs with texts of 0 to 20 words; some don't fit into a query."""
    draw = np.random.default_rng(7)
    keys = [divmod(int(place), ITEMS) for place in draw.choice(USERS * ITEMS, PAIRS, replace=False)]
    words = WORDS.split()

    def text(most):
        return " ".join(draw.choice(words, int(draw.integers(0, most))))

    return [((user, item), [text(20), f"Thing {item}: {text(16)}"]) for user, item in keys]


class Served:
    """The exported model's vectors and states by the training graph, and by vLLM for a precision."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.pairs = folder, pair_texts()
        workspace = write_tables(folder / "ws")
        lora = {"rank": 32, "alpha": 64, "dropout": 0.05}
        self.config = finetune_config(folder / "ws", model="embedded", lora=lora, max_tokens=64)
        model = trained_model(self.config, workspace)
        export_saved(self.config, workspace, save_weights(self.config, model, folder, monkeypatch))
        self.exported = fetch_exported(workspace, str(folder))
        self.queries, self.sides = self._asked()
        self.states, self.vectors = self._by_graph(self.exported.model())

    def _asked(self):
        keys = np.array([key for key, _ in self.pairs])
        users, items = vectors_of("users")[keys[:, 0]], vectors_of("items")[keys[:, 1]]
        encoder = self.exported.encoder()
        queries = [
            encoder.encode(*texts, list(user), list(item))
            for (_, texts), user, item in zip(self.pairs, users, items, strict=True)
        ]
        return queries, (torch.from_numpy(users), torch.from_numpy(items))

    @torch.inference_mode()
    def _by_graph(self, model):
        states, vectors = [], []
        for start in range(0, PAIRS, BATCH):
            part = slice(start, start + BATCH)
            states.append(model.states(self.queries[part], *(side[part] for side in self.sides)))
            vectors.append(model.head(states[-1]).float())
        return torch.cat(states), torch.cat(vectors)

    @torch.inference_mode()
    def untuned_vectors(self, first):
        """Return the vectors of the first pairs by the LLM as it came, with the same projector and head."""
        plain = new_model(self.config, self.exported.k, 1, lora=False).eval()
        plain.projector, plain.head = self.exported.parts()
        return plain(self.queries[:first], *(side[:first] for side in self.sides))

    def by_vllm(self, dtype):
        llm = {"engine": "scripted", "encoder": "trigrams"}
        changed = {"embeddings": {"engine": "vllm", "dtype": dtype}, "llm": llm}
        config = Config.model_validate({**self.config.model_dump(mode="json"), **changed})
        files = {"script.py": SCRIPT, "config.json": config.model_dump_json(), "pairs.json": json.dumps(self.pairs)}
        for name, text in files.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        arguments = [str(self.folder / name) for name in (*files, f"{dtype}.pt")]
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, timeout=550, check=False, env=os.environ
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return torch.load(arguments[-1], weights_only=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield Served(tmp_path_factory.mktemp("parity"), patch)


def cosines(found, wanted):
    return torch.cosine_similarity(found.float(), wanted.float())


def share_nearest_to_themselves(found, wanted):
    """Return how many of the found vectors are nearest to the wanted one of the same pair."""
    unit = torch.nn.functional.normalize
    found, wanted = unit(found.float(), dim=1), unit(wanted.float(), dim=1)
    return float(((found @ wanted.T).argmax(1) == torch.arange(PAIRS)).float().mean())


def test_the_pairs_are_told_apart_and_lora_matters(served):
    """Without this a cosine near 1 would prove nothing."""
    assert len({len(query.ids) for query in served.queries}) > 20
    assert sum(query.cut > 0 for query in served.queries) > 10
    assert torch.cosine_similarity(served.vectors[:-1], served.vectors[1:]).mean() < 0.9
    assert cosines(served.untuned_vectors(10), served.vectors[:10]).max() < 0.998, "the base model would pass"


@pytest.mark.parametrize(
    ("dtype", "floors", "mean"),
    [
        ("float32", {"states": 0.999, "vectors": 0.999}, 0.9999),
        # Without AVX-512 a CPU computes bfloat16 step by step: minutes.
        pytest.param("bfloat16", {"states": 0.98, "vectors": 0.95}, 0.995, marks=pytest.mark.long),
    ],
)
def test_vllm_gives_the_states_and_vectors_of_the_training_graph(served, dtype, floors, mean, record_property):
    found = served.by_vllm(dtype)
    for name, wanted in (("states", served.states), ("vectors", served.vectors)):
        near = cosines(found[name], wanted)
        told = f"{dtype} {name}: cosine min {near.min():.7f}, mean {near.mean():.7f}"
        record_property(f"{dtype} {name}", told)
        print(told)
        assert len(near) == PAIRS
        assert torch.isfinite(found[name]).all()
        assert near.min() >= floors[name], told
        assert near.mean() >= mean, told
        assert share_nearest_to_themselves(found[name], wanted) >= LEAST_NEAREST, told
