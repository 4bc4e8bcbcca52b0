"""Paces of trainings: measured on data of the right shape, whatever the method reads."""

from types import SimpleNamespace

from small_run import small_config

from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.plan.estimate.stage_cost import Known, cost_of
from hnlm_ray.plan.measure.training_time import Pace, kinds, measure_trainings
from hnlm_ray.plan.sizes import read_prepared


def test_a_training_that_ends_by_itself_is_not_longer_than_that():
    pace = Pace.of([3.0, 4.0, 5.0])
    assert (pace.start_s, pace.epoch_s, pace.seconds(10)) == (2.0, 1.0, 12.0)
    assert Pace(2.0, 1.0, ends_after=3).seconds(10) == 5.0
    assert Pace.of([4.0]).seconds(2) == 8.0


def test_rows_are_counted_from_the_prepared_tables(prepared, tmp_path):
    config = small_config(tmp_path, tmp_path / "ws", negatives__pairs_per_user=4, recommend__k=38)
    data = read_prepared(prepared)
    assert (data.users, data.items, data.train, data.interactions) == (30, 40, 180, 300)

    def counted(config, stage):
        found = SimpleNamespace(data=data, answers={})
        return cost_of(find_stage(stage)).rows(Known(SimpleNamespace(config=config), found))

    assert counted(config, "semantic_negatives") == 4 * 30
    assert counted(config, "results") == 6 * 2
    assert counted(config, "trials") == 5 * 2 + 1  # pool_alpha0 searches nothing
    thrice = small_config(tmp_path, tmp_path / "ws", tune__searches=3)
    assert [counted(thrice, stage) for stage in ("trials", "results")] == [33, 36]
    assert counted(config, "recommendations") == 34 * 30


def test_each_kind_of_method_is_timed_and_one_that_cannot_be_is_left_out(prepared, tmp_path):
    methods = ["rns", "pool", "pool_random", "hnlmrec", "guard", "ease", "llmrec"]
    changes = {"tune__methods": methods, "finetune__enabled": True, "tune__trials": 1}
    config = small_config(tmp_path, tmp_path / "ws", **changes)
    times = measure_trainings(config, prepared)
    assert len(kinds(config)) == 6
    assert {kind.split()[0] for kind in times.paces} == {"lightgcn", "ease"}
    assert len(times.paces) == 5
    assert times.epochs in range(1, 5)
    assert all(pace.epoch_s > 0 for pace in times.paces.values())
    assert 0 < times.teacher.mined_share <= 1
