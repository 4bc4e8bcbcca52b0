"""A split that is given, or cut at days: which settings go together."""

import pytest

from hnlm_ray.base.errors import ConfigError
from hnlm_ray.config import Config, SplitConfig
from hnlm_ray.config.loading import load_config
from hnlm_ray.pipeline.stages.data import DATA

TABLE = """name: x
workspace: ws
source: {format: table, interactions: {path: a.csv%s}}
prepare: {split: {method: %s}}
"""


@pytest.mark.parametrize(
    ("paths", "method", "told"),
    [
        (
            "",
            "given",
            r"prepare.split.method: got 'given'; source.interactions.test_path, the rows to test, is not set",
        ),
        (", test_path: b.csv", "random", r"prepare.split.method: got 'random'; source.* is a split that is given"),
        (", test_path: b.csv", "time", r"got 'time'; .*choose given, or name all files in `path`"),
        (", validation_path: b.csv", "given", "validation_path needs test_path"),
    ],
)
def test_files_of_a_split_and_its_method_go_together(tmp_path, paths, method, told):
    path = tmp_path / "run.yaml"
    path.write_text(TABLE % (paths, method), encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        load_config(str(path))


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ({"method": "random", "test_from": "2020-01-01"}, "days of a split by time: set method to time"),
        ({"method": "time", "validation_from": "2020-01-01"}, "needs a later day in test_from"),
        ({"method": "time", "validation_from": "2020-01-01", "test_from": "2020-01-01"}, "needs a later day"),
        ({"method": "time", "validation": 0.5, "test": 0.5}, "validation . test must stay below 1"),
    ],
)
def test_days_are_of_a_split_by_time_and_in_order(split, told):
    with pytest.raises(ValueError, match=told):
        SplitConfig.model_validate(split)


def identity(**prepare):
    (stage,) = (stage for stage in DATA if stage.name == "prepare")
    tree = {"name": "x", "workspace": "ws", "source": {"format": "movielens_100k"}, "prepare": prepare}
    return stage.depends_on(Config.model_validate(tree))["prepare"]


def test_later_settings_are_in_the_identity_only_where_they_are_set():
    assert {"repeats"} & identity().keys() == set()
    assert {"validation_from", "test_from", "train_share"} & identity()["split"].keys() == set()
    assert identity(repeats="weight")["repeats"] == "weight"
    assert identity(split={"method": "time", "test_from": "2020-01-01"})["split"]["test_from"] == "2020-01-01"
