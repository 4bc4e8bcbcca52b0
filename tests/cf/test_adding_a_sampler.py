"""A sampler of this package is added in five files, as docs/extending.md says: its own, the registry, the
configuration, its method, its test."""

from typing import get_args

import pytest

from hnlm_ray.config.cf import SamplerName

REGISTRY, CONFIG = "hnlm_ray/cf/samplers/__init__.py", "hnlm_ray/config/cf.py"
TEST = """
import runpy
import numpy as np
import hnlm_ray
from hnlm_ray.cf import SAMPLERS, CFData, Positives, train
from hnlm_ray.cf.training.settings_read import unread_settings
from hnlm_ray.config import CFConfig, TuneConfig
from hnlm_ray.methods.known import RunMethods
from hnlm_ray.tune.frontier.rows import sampler_words

own = runpy.run_path("tests/cf/test_second.py")
own["test_the_second_highest_score_is_taken"]()
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
NAMES = """
from hnlm_ray.cf import SAMPLERS
from typing import get_args
from hnlm_ray.config.cf import SamplerName
print(*(SAMPLERS.keys() ^ {*get_args(SamplerName)}))
"""


def test_a_sampler_is_added_in_five_files_its_test_among_them(recipe):
    added = recipe("A sampler").follow()
    assert len(added.blocks) == 5
    assert added.python("-c", TEST).split() == [str(added.package / "__init__.py"), "SecondHardestSampler"]


@pytest.mark.parametrize("forgotten", [CONFIG, REGISTRY])
def test_one_that_the_configuration_or_the_registry_lacks_is_found(recipe, forgotten):
    """By the test that holds the names of each to those of the other (test_cf_doc.py), here in the copy."""
    assert "second" not in get_args(SamplerName)
    assert recipe("A sampler").follow(without=(forgotten,)).python("-c", NAMES).split() == ["second"]
