"""Sizes are read from a checkpoint's headers; memory follows them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from small_run import small_config

from hnlm_ray.base.errors import InputError
from hnlm_ray.plan.estimate.memory import engine_mib, finetune_mib, training_mib
from hnlm_ray.plan.estimate.stage_costs import sweep_mib
from hnlm_ray.plan.measure.checkpoint_shape import read_checkpoint_shape
from hnlm_ray.plan.sizes import Prepared

CONFIG = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}


def write_checkpoint(folder, config=CONFIG):
    from safetensors.numpy import save_file

    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    layers = {f"model.layers.{n}.self_attn.q_proj.weight": np.zeros((8, 8), np.float16) for n in range(2)}
    save_file({"embed.weight": np.zeros((100, 8), np.float16), **layers}, folder / "model.safetensors")
    return str(folder)


def test_sizes_are_those_of_the_headers(tmp_path):
    shape = read_checkpoint_shape(write_checkpoint(tmp_path / "m"))
    assert (shape.layers, shape.hidden, shape.kv_heads, shape.head_dim) == (2, 8, 2, 2)
    assert shape.parameters == 800 + 2 * 64
    assert shape.lora_parameters(4, ("q_proj", "v_proj")) == 2 * 4 * 16


def test_the_sizes_of_a_hub_model_that_is_not_here_are_unknown():
    assert read_checkpoint_shape("someone/some-model") is None


@pytest.mark.parametrize("config", [{}, [], "x", {**CONFIG, "hidden_size": -1}, {**CONFIG, "num_hidden_layers": "2x"}])
def test_a_checkpoint_that_makes_no_sense_is_one_sentence(tmp_path, config):
    path = write_checkpoint(tmp_path / "m", config)
    with pytest.raises(InputError, match=r"can't be read .*: check its config.json"):
        read_checkpoint_shape(path)


def test_weights_that_are_cut_off_are_one_sentence(tmp_path):
    path = write_checkpoint(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"\xff" * 7)
    with pytest.raises(InputError, match="can't be read"):
        read_checkpoint_shape(path)


def test_an_engine_needs_its_weights_and_its_cache(tmp_path):
    shape = read_checkpoint_shape(write_checkpoint(tmp_path / "m"))
    on_cpu = small_config(tmp_path, tmp_path, llm__kv_cache_gib=3, llm__engines=2)
    weights = 928 * 4 / 2**20
    assert engine_mib(on_cpu, shape, "float32", 100) == pytest.approx(2 * (weights + 3072))
    on_gpu = small_config(tmp_path, tmp_path, llm__gpus_per_engine=1, llm__max_num_seqs=10)
    cache = 2 * 2 * 2 * 2 * 2 * 10 * 500 / 2**20
    assert engine_mib(on_gpu, shape, "float16", 500) == pytest.approx(928 * 2 / 2**20 + cache)


def test_zero_stages_and_recomputed_activations_save_memory_of_training(tmp_path):
    shape = read_checkpoint_shape(write_checkpoint(tmp_path / "m"))

    def needed(**changes):
        given = {f"finetune__{key}": value for key, value in {"workers": 2, "batch_size": 32, **changes}.items()}
        return finetune_mib(small_config(tmp_path, tmp_path, **given), shape, 50)

    by_stage = [needed(zero_stage=stage) for stage in range(4)]
    assert by_stage == sorted(by_stage, reverse=True)
    assert len(set(by_stage)) == 4
    assert needed(gradient_checkpointing=True) < needed()
    assert needed(precision="bfloat16") < needed()


def test_trainings_at_the_same_time_need_their_own_tables(tmp_path):
    config = small_config(tmp_path, tmp_path, cf__dim=64)
    data = Prepared(1000, 500, np.full(1000, 10), 13_000)
    one = training_mib(config.cf, data, 1)
    assert training_mib(config.cf, data, 3) == pytest.approx(3 * one)
    assert one > 1500 * 64 * 4 * 4 / 2**20


def test_a_guard_s_beliefs_and_a_teacher_s_scores_count_for_each_trial(tmp_path):
    data = Prepared(10_000, 5_000, np.full(10_000, 10), 130_000)

    def needed(*methods):
        config = small_config(tmp_path, tmp_path, tune__methods=("rns", *methods), tune__concurrent=2)
        return sweep_mib(SimpleNamespace(config=config, data=data))

    plain, weights = needed(), 5 * 5_000**2 * 4 / 2**20
    assert needed("guard_no_text") - plain == pytest.approx(2 * (weights + 3 * 2 * 10_000 * 5_000 / 2**20))
    assert needed("fusion_cf") - plain == pytest.approx(2 * weights)  # too many scores to be kept
