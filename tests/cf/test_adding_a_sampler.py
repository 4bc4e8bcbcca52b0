"""A sampler of this package is added in five files: its own, the registry, the configuration, its method, its test."""

import os
import shutil
import subprocess
import sys

import pytest

SAMPLER = '''"""The second hardest candidate."""

from __future__ import annotations

import torch
from torch import Tensor

from hnlm_ray.cf.data.batches import Batch
from hnlm_ray.cf.samplers.base import Negatives
from hnlm_ray.cf.samplers.candidates import CandidateSampler, choose


class SecondHardestSampler(CandidateSampler):
    """Of M candidates, the one with the second highest current score."""

    @torch.no_grad()
    def sample(self, batch: Batch, embeddings: Tensor) -> Negatives:
        """Draw candidates and keep each user's second hardest."""
        candidates, scores = self.draw(batch, embeddings)
        return Negatives(choose(candidates, self.hold_back(scores, batch, candidates).topk(2, 1).indices[:, 1]))
'''
METHOD = """# The second hardest of M candidates.
extends: _shared
family: classical
reads: nothing
fixed: {sampler: second}

published: {candidates: 8}

space:
  candidates: {choice: [4, 8]}
"""
OWN, REGISTRY, CONFIG = "cf/samplers/second.py", "cf/samplers/__init__.py", "config/cf.py"
TEST = """
import numpy as np
import hnlm_ray
from hnlm_ray.cf import SAMPLERS, CFData, Positives, train
from hnlm_ray.cf.training.settings_read import unread_settings
from hnlm_ray.config import CFConfig, TuneConfig
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.tune.frontier.rows import sampler_words

pairs = np.random.default_rng(0).permutation(20 * 30)[:160]
fit, stop = (Positives.from_pairs(part // 30, part % 30, 20) for part in np.split(pairs, [120]))
data = CFData(users=20, items=30, train=fit, validation=stop)
settings = {"model": "mf", "dim": 4, "batch_size": 50, "epochs": 2, "candidates": 5}
trained = {name: train(data, CFConfig(**settings, sampler=name), seed=1) for name in ("second", "dns")}
rows = [one.item_embeddings.sum().item() for one in trained.values()]
assert rows[0] != rows[1]
config = CFConfig(**settings, sampler="second", guard=0.5, guard_features="cf")
train(data, config, seed=1)
assert unread_settings(config, ["candidates", "guard", "dns.top"]) == {"dns.top": "sampler dns_mn"}
assert sampler_words(config) == "M 5, lambda 0.5 (cf)"
(method,) = RunMethods.of(TuneConfig(methods=("second",), models=("mf",))).compared.values()
assert method.method.space["candidates"].values == (4, 8)
print(hnlm_ray.__file__, SAMPLERS["second"].__name__)
"""


@pytest.fixture
def copy(tmp_path, repository):
    shutil.copytree(repository / "hnlm_ray", tmp_path / "hnlm_ray", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "hnlm_ray"


def replaced(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def add(package):
    (package / OWN).write_text(SAMPLER, encoding="utf-8")
    place = next(package.joinpath("methods").rglob("dns.yaml")).parent
    (place / "second.yaml").write_text(METHOD, encoding="utf-8")
    registry = package / REGISTRY
    replaced(registry, "\n__all__", "from hnlm_ray.cf.samplers.second import SecondHardestSampler\n\n__all__")
    replaced(registry, '    "pool": PoolSampler,', '    "second": SecondHardestSampler,\n    "pool": PoolSampler,')
    replaced(package / CONFIG, '"in_batch", "pool"', '"in_batch", "second", "pool"')


def files(package):
    return {str(path.relative_to(package)): path.read_bytes() for path in package.rglob("*") if path.is_file()}


def run(package, code):
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=package.parent, env=environment, capture_output=True, text=True, check=False)


def test_a_sampler_is_added_in_five_files_its_test_among_them(copy):
    before = files(copy)
    add(copy)
    after = files(copy)
    changed = {name for name in after if before.get(name) != after[name]}
    assert len(changed) + 1 == 5  # the test is the fifth
    done = run(copy, TEST)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(copy / "__init__.py"), "SecondHardestSampler"]


def test_one_that_the_configuration_or_the_registry_lacks_is_found(copy):
    """By the test that holds the names of each to those of the other (test_cf_doc.py), here in the copy."""
    add(copy)
    replaced(copy / CONFIG, ' "second",', "")
    names = (
        "from hnlm_ray.cf import SAMPLERS; from typing import get_args; from hnlm_ray.config.cf import SamplerName; "
    )
    assert run(copy, names + "print(SAMPLERS.keys() ^ {*get_args(SamplerName)})").stdout.strip() == "{'second'}"
