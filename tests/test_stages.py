"""What a stage's check refuses before hours of other stages have run."""

import pytest

from hnlm_ray.config import Config
from hnlm_ray.errors import InputError
from hnlm_ray.pipeline import find_stage

TREE = {"name": "x", "workspace": "/nowhere", "source": {"format": "movielens_100k"}}


def check(stage, **sections):
    find_stage(stage).check(Config.model_validate(TREE | sections))


def test_trials_need_validation_rows_and_a_pool_for_the_methods_that_use_it():
    check("trials")
    check("trials", negatives={"pairs_per_user": 0}, tune={"methods": ["rns", "dns"]})
    with pytest.raises(InputError, match=r"pairs_per_user is 0, so the pool of pool, pool_alpha0, .* would be empty"):
        check("trials", negatives={"pairs_per_user": 0})
    with pytest.raises(InputError, match=r"set prepare\.split\.validation above 0"):
        check("trials", prepare={"split": {"validation": 0}})


def test_results_need_test_rows():
    check("results")
    check("results", prepare={"split": {"method": "leave_last_out", "test": 0}})
    with pytest.raises(InputError, match=r"set prepare\.split\.test above 0"):
        check("results", prepare={"split": {"test": 0}})
