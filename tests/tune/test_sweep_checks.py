"""What can't work is said before anything starts."""

import pytest

from hnlm_ray.cluster import require
from hnlm_ray.config import Config
from hnlm_ray.config_file import load_config
from hnlm_ray.errors import ConfigError, InputError, ResourceError
from hnlm_ray.pipeline import find_stage

TRIALS = find_stage("trials")


def config(workspace="/nowhere", **tune):
    tree = {"name": "x", "workspace": workspace, "source": {"format": "movielens_100k"}}
    return Config.model_validate(tree | {"tune": {"methods": ["rns"], **tune}})


@pytest.mark.parametrize(
    ("tune", "told"),
    [
        ({"gpus_per_trial": 0.5}, r"stage trials needs 0\.5 GPUs and this machine has 0"),
        ({"cpus_per_trial": 12}, r"stage trials needs 13\.5 CPUs and this machine has 8"),
    ],
)
def test_more_than_there_is_is_one_sentence(tune, told):
    with pytest.raises(ResourceError, match=told):
        require("this machine", [{"CPU": 8, "GPU": 0}], config(**tune), [TRIALS])


def test_a_share_of_a_gpu_is_enough_for_many_trials():
    require("this machine", [{"CPU": 8, "GPU": 1}], config(gpus_per_trial=0.1, concurrent=10), [TRIALS])


@pytest.mark.parametrize(
    "wrong", ["tune.trials=0", "tune.concurrent=0", "tune.cpu_seconds=0", "tune.cpu_seconds=-3", "tune.metric=ndgc@20"]
)
def test_a_budget_of_nothing_and_a_misspelt_metric_are_refused(config_file, wrong):
    with pytest.raises(ConfigError, match=wrong.partition("=")[0]):
        load_config(str(config_file), [wrong])


def test_event_files_need_a_local_workspace():
    TRIALS.check(config(tensorboard=True))
    remote = config(workspace="s3://key:hidden@bucket/run?region=us-east-1", tensorboard=True)
    for stage in (TRIALS, find_stage("results")):
        with pytest.raises(InputError, match=r"tune\.tensorboard writes local files") as told:
            stage.check(remote)
        assert "hidden" not in str(told.value)
