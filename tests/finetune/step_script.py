"""One training step by a real DeepSpeed engine, and the same step by the equation; a process for each worker."""

import json
import sys

import numpy as np
import torch
from finetune_tables import finetune_config
from torch.nn import functional

BATCH, T = 16, 0.05


def equation(vectors, records, chosen, temperature):
    """L = sum_a w_a mean_b -log sigmoid((cos(q_a, p_a) - cos(q_a, n_b)) / t) / sum_a w_a, in plain loops."""
    rows = records.rows.take(chosen).to_pylist()
    items = sorted({item for row in rows for item in [*row["negatives"], row["target"]]})
    catalogue = functional.normalize(torch.from_numpy(records.catalogue), dim=1)
    total = 0.0
    for own, row in zip(functional.normalize(vectors, dim=1), rows, strict=True):
        target = own @ catalogue[row["target"]]
        terms = [
            -functional.logsigmoid((target - own @ catalogue[item]) / temperature)
            for item in items
            if item != row["target"]
        ]
        total = total + row["weight"] * torch.stack(terms).mean()
    return total / sum(row["weight"] for row in rows)


def asked(model, records, chosen):
    """Return the vectors of all these records, computed at once."""
    batch = records.batch(chosen)
    return model(batch.queries, batch.users, batch.items)


def held_out_equation(worker):
    """Return the mean of the equation over an epoch of the held-out records, filled up to whole batches."""
    records = worker.held_out
    order = np.random.default_rng([worker.plan.seed, 0]).permutation(len(records))
    steps = np.resize(order, -(-len(records) // BATCH) * BATCH).reshape(-1, BATCH).tolist()
    return float(np.mean([float(equation(asked(worker.engine, records, step), records, step, T)) for step in steps]))


def one_step(workspace, micro, zero_stage):
    """Train one step; returns its figures and those of the equation."""
    import torch.distributed as dist
    from deepspeed.utils import safe_get_full_grad

    from hnlm_ray.finetune import loop
    from hnlm_ray.finetune.checkpoints import Checkpoints
    from hnlm_ray.finetune.model import trained_parameters
    from hnlm_ray.workspace import Workspace

    settings = {"batch_size": BATCH, "micro_batch": micro, "workers": dist.get_world_size(), "zero_stage": zero_stage}
    config = finetune_config(workspace, lora={"rank": 4, "alpha": 8, "dropout": 0.0}, **settings)
    checkpoints = Checkpoints(Workspace.open(workspace), f"{micro}-{zero_stage}")
    worker = loop.start_worker(config, checkpoints, dist.get_rank(), torch.device("cpu"))
    model, step = worker.model, worker.plan.records_of(0)
    parameters = [parameter for _, parameter in trained_parameters(model)]
    loss = equation(asked(model, worker.train, step), worker.train, step, T)
    wanted = torch.autograd.grad(loss, parameters)
    held_out = loop.held_out_loss(worker)
    with torch.no_grad():
        held_out_wanted = held_out_equation(worker)
    found, stepping = [], worker.engine.step

    def watched():
        if worker.engine.is_gradient_accumulation_boundary():
            found.extend(safe_get_full_grad(parameter).clone() for parameter in parameters)
        stepping()

    worker.engine.step = watched
    row = next(loop.train_from(worker, 0))
    flat, flat_wanted = (torch.cat([one.flatten() for one in gradient]) for gradient in (found, wanted))
    return {
        "micro": micro,
        "zero_stage": zero_stage,
        "loss": row["loss"],
        "equation": loss.item(),
        "gradient": float(flat.norm()),
        "gradient_norm": float(flat_wanted.norm()),
        "apart": float((flat - flat_wanted).norm()),
        "held_out": held_out,
        "held_out_equation": held_out_wanted,
    }


def main(workspace, out):
    """Share the same batch out in several ways."""
    import deepspeed

    torch.set_num_threads(1)
    deepspeed.init_distributed("gloo")
    rank, workers = (getattr(torch.distributed, f"get_{name}")() for name in ("rank", "world_size"))
    ways = [(16, 0), (8, 2), (4, 2), (4, 0)] if workers == 1 else [(8, 2), (4, 2)]
    found = [one_step(workspace, micro, zero_stage) for micro, zero_stage in ways]
    if rank == 0:
        with open(out, "w", encoding="utf-8") as file:
            json.dump(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
