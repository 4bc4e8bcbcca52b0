"""A fine-tuned model as the stage leaves it, without training: random LoRA weights that matter."""

import torch
from finetune_tables import K, publish
from safetensors.torch import save_file

from hnlm_ray.finetune.baselines import probe, start_head, states_of
from hnlm_ray.finetune.batches import read_records
from hnlm_ray.finetune.checkpoints import Checkpoints
from hnlm_ray.finetune.export import export_model
from hnlm_ray.finetune.loop import TRAINED_FILE
from hnlm_ray.finetune.model import new_model, query_encoder, trained_buffers, trained_parameters

FIGURES = {"steps": 10, "held_out_loss_before": 1.0, "held_out_loss_head": 0.8, "held_out_loss": 0.5}


def trained_model(config, workspace):
    """Return a model whose LoRA weights are not zero and whose head has its start."""
    model = new_model(config, K, config.seed).eval()
    with torch.no_grad():
        for name, parameter in trained_parameters(model):
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    train = read_records(workspace, "train", query_encoder(config))
    start_head(model.head, probe(states_of(model, train), train), "ridge")
    return model


def export(config, workspace, folder, model=None, name="b" * 16):
    """Export a model and publish the table that lists its files; returns the model."""
    model = model or trained_model(config, workspace)
    weights = {name: value.detach().clone() for name, value in trained_parameters(model)} | trained_buffers(model)
    folder.mkdir(exist_ok=True)
    save_file(weights, str(folder / TRAINED_FILE))
    checkpoints = Checkpoints(workspace, name)
    workspace.filesystem.create_dir(checkpoints.folder, recursive=True)
    checkpoints.put(str(folder / TRAINED_FILE))
    publish(workspace, "finetuned_model", export_model(config, checkpoints, FIGURES))
    return model
