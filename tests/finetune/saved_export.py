"""An export from weights that the first worker's own function saved, as after a training."""

from types import SimpleNamespace

from exported_model import FIGURES
from finetune_tables import publish

from hnlm_ray.finetune import loop
from hnlm_ray.finetune.checkpoints import Checkpoints
from hnlm_ray.finetune.export import export_model


def save_weights(config, model, folder, monkeypatch):
    """Write the trained weights as the first worker does; returns the file."""
    monkeypatch.setattr(loop.dist, "barrier", lambda: None)
    worker = SimpleNamespace(model=model, settings=config.finetune, rank=0)
    loop.save_trained(worker, str(folder))
    return folder / loop.TRAINED_FILE


def export_saved(config, workspace, trained):
    """Export trained weights and publish the table that lists the files; returns its rows."""
    checkpoints = Checkpoints(workspace, "abc")
    workspace.filesystem.create_dir(checkpoints.folder, recursive=True)
    checkpoints.put(str(trained))
    rows = export_model(config, checkpoints, FIGURES)
    publish(workspace, "finetuned_model", rows)
    return rows
