"""docs/cf.md: its examples run, and its tables have every name."""

import re
from pathlib import Path
from typing import get_args

import pytest

import hnlm_ray.cf
from hnlm_ray.cf import LOSSES, MODELS, SAMPLERS, SOLVED
from hnlm_ray.config import CFConfig

DOC = Path(__file__).parents[2] / "docs" / "cf.md"


@pytest.fixture(scope="module")
def printed():
    """Run the examples one after the other, and return what each prints."""
    names, found = {}, []
    for block in re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL):
        lines = []
        names["print"] = lambda *values, lines=lines: lines.append(values)
        exec(compile(block, str(DOC), "exec"), names)
        found.append(lines[0])
    return found


def test_the_first_example_has_ten_lines_and_ranks(printed):
    first = re.search(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL).group(1)
    assert len(first.splitlines()) == 10
    best_epoch, ndcg, shape = printed[0]
    assert 0 < best_epoch <= 20
    assert 0 < ndcg < 1
    assert shape[0] > 0


def test_the_adapter_of_the_example_moves_unless_it_is_frozen(printed):
    coverage, shift, frozen = printed[1]
    assert coverage == 200 / 300
    assert shift > 0.01
    assert frozen == 0


def test_the_resumed_example_is_the_uninterrupted_one(printed):
    equal, epoch, recall = printed[2]
    assert equal
    assert epoch == 2
    assert 0 < recall <= 1


def test_the_fusion_and_the_distillation_of_the_example_rank(printed):
    weight, fused, taught = printed[3]
    assert weight >= 0
    assert 0 < fused < 1
    assert 0 < taught < 1
    assert len(printed) == 4


def rows():
    return re.findall(r"^\| `(\w+)`", DOC.read_text(encoding="utf-8"), re.MULTILINE)


def values(setting):
    return set(get_args(CFConfig.model_fields[setting].annotation))


def test_every_model_sampler_and_loss_has_a_row():
    assert values("model") | values("sampler") | values("loss") <= set(rows())


def test_every_name_of_a_setting_leads_to_what_does_it():
    assert values("model") == MODELS.keys() | SOLVED.keys()
    assert values("sampler") == SAMPLERS.keys()
    assert values("loss") == LOSSES.keys()


def test_every_figure_has_a_row():
    text = DOC.read_text(encoding="utf-8")
    for name in (
        "recall",
        "precision",
        "ndcg",
        "hit_rate",
        "mrr",
        "map",
        "coverage",
        "gini",
        "popularity",
        "popularity_share",
        "novelty",
    ):
        assert f"| `{name}@k` |" in text


def test_all_that_the_package_names_is_there_and_sorted():
    assert list(hnlm_ray.cf.__all__) == sorted(
        hnlm_ray.cf.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    assert all(hasattr(hnlm_ray.cf, name) for name in hnlm_ray.cf.__all__)
