"""What can't work is said before anything starts."""

import pytest

from hnlm_ray.base.errors import ConfigError, InputError, ResourceError
from hnlm_ray.cluster.connect import require
from hnlm_ray.config import Config
from hnlm_ray.config.loading import load_config
from hnlm_ray.pipeline.status import find_stage

TRIALS = find_stage("trials")


def config(workspace="/nowhere", **tune):
    tree = {"name": "x", "workspace": workspace, "source": {"format": "movielens_100k"}}
    return Config.model_validate(tree | {"tune": {"methods": ["rns"], **tune}})


@pytest.mark.parametrize(
    ("tune", "told"),
    [
        ({"gpus_per_trial": 0.5}, r"stage trials needs 0\.5 GPUs and this machine has 0"),
        ({"gpus_per_trial": 0.5}, r"has 0: join a larger cluster .* or tune\.gpus_per_trial$"),
        ({"cpus_per_trial": 12}, r"stage trials needs 13\.5 CPUs and this machine has 8: raise ray\.cpus, "),
    ],
)
def test_more_than_there_is_is_one_sentence(tune, told):
    with pytest.raises(ResourceError, match=told):
        require("this machine", [{"CPU": 8, "GPU": 0}], config(**tune), [TRIALS])


def test_a_share_of_a_gpu_is_enough_for_many_trials():
    require("this machine", [{"CPU": 8, "GPU": 1}], config(gpus_per_trial=0.1, concurrent=10), [TRIALS])


@pytest.mark.parametrize(
    "wrong",
    [
        "tune.trials=0",
        "tune.concurrent=0",
        "tune.cpu_seconds=0",
        "tune.cpu_seconds=-3",
        "tune.metric=ndgc@20",
        "tune.cpus_per_trial=1e-9",
        "tune.gpus_per_trial=1e-9",
        "tune.gpus_per_trial=1.5",
    ],
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


@pytest.mark.parametrize(
    ("tune", "told"),
    [
        ({"search": "tpe"}, r"it would choose none of the 8 trials of a method: the first 10 are random"),
        ({"search": "tpe", "trials": 5, "startup_trials": 5}, r"tune\.startup_trials.* raise tune\.trials above that"),
        (
            {"stopping": "asha", "grace_epochs": 100},
            r"could end no trial: each gets 100 .* and has \d+ in all \(cf\.epochs\)",
        ),
        ({"stopping": "median", "grace_epochs": 100}, r"lower the first below the second"),
        (
            {"spaces": {"dms": {"space": {"candidates": {"choice": [2]}}}}},
            r"tune\.spaces\.dms: family is missing; .*change",
        ),
        ({"spaces": {"mine": {"extends": "dns", "fixed": {"foo": 1}}}}, r"tune\.spaces\.mine: fixed\.foo: cf has no"),
    ],
)
def test_what_would_be_done_otherwise_in_silence_is_refused(tune, told):
    with pytest.raises(InputError, match=told):
        TRIALS.check(config(**tune))


def test_a_part_of_ones_own_that_a_method_extends_need_be_no_method():
    spaces = {
        "part": {"space": {"lr": {"choice": [0.1, 0.2]}}},
        "mine": {"extends": "part", "family": "classical", "reads": "nothing"},
    }
    TRIALS.check(config(spaces=spaces, methods=["mine"], trials=2))


def test_the_shortest_search_that_can_do_what_it_is_asked_to_is_taken():
    TRIALS.check(config(search="tpe", startup_trials=7, stopping="asha", grace_epochs=99))


def test_an_entry_that_is_wrong_is_one_line_and_a_file_that_is_not_there_names_who_asks_for_it(config_file, tmp_path):
    with pytest.raises(ConfigError, match=r"(?s)1 value is wrong.*tune\.models\.0: got 'mff'"):
        load_config(str(config_file), ["tune.models=[mff]"])
    with pytest.raises(ConfigError, match=r"none\.yaml does not exist: check tune\.spaces\.dns"):
        load_config(str(config_file), [f"tune.spaces.dns={tmp_path}/none.yaml"])
    (tmp_path / "above.yaml").write_text("extends: lost.yaml\n")
    with pytest.raises(ConfigError, match=r"lost\.yaml does not exist: check what .*above\.yaml builds on"):
        load_config(str(tmp_path / "above.yaml"))
