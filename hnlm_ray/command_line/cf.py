"""The commands ``hnlm cf ...``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from hnlm_ray.commands.invocation import current
from hnlm_ray.commands.options import AsJson, Debug, JsonOut, Overrides
from hnlm_ray.commands.output import Output


def train(
    context: typer.Context,
    *,
    data: Annotated[str, typer.Option("--data", metavar="DIR", help="Folder with the interactions.")],
    kind: Annotated[
        Literal["ngcf", "parquet"],
        typer.Option(
            "--format",
            help="ngcf: train.txt, test.txt (validation.txt), lines `user item item ...`; parquet: train.parquet, "
            "test.parquet, or interactions.parquet with a column split; columns user and item.",
        ),
    ] = "ngcf",
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Such as lightgcn (default), mf, ease; cf.model.")
    ] = None,
    sampler: Annotated[
        str | None, typer.Option("--sampler", metavar="NAME", help="Such as rns (default), dns, ahns; cf.sampler.")
    ] = None,
    loss: Annotated[
        str | None, typer.Option("--loss", metavar="NAME", help="Such as bpr (default), softmax; cf.loss.")
    ] = None,
    overrides: Overrides = None,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Of everything that is drawn.")] = 0,
    metric: Annotated[
        str, typer.Option("--metric", metavar="NAME@K", help="The best epoch on validation is that of this metric.")
    ] = "ndcg@20",
    cutoffs: Annotated[str, typer.Option("--cutoffs", metavar="K,K", help="Cut-offs that are measured.")] = "10,20",
    fuse: Annotated[
        str | None,
        typer.Option("--fuse", metavar="NAME", help="A second model, added at a weight chosen on validation."),
    ] = None,
    fuse_overrides: Annotated[
        list[str] | None, typer.Option("--fuse-set", metavar="A.B=C", help="As --set, of the second model.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=1024, metavar="N", help="CPU threads; else all cores.")
    ] = None,
    device: Annotated[str, typer.Option("--device", metavar="cpu|cuda", help="Where it is trained.")] = "cpu",
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Keep checkpoints there, and at the end vectors and result.json."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")] = False,
    keep_scores: Annotated[
        bool, typer.Option("--keep-scores", help="Write all scores to --out: 4 bytes for each user and item.")
    ] = False,
    index: Annotated[
        str | None,
        typer.Option("--faiss", metavar="INDEX", help="Write a faiss index of the items to --out: Flat, HNSW32, ..."),
    ] = None,
    as_json: AsJson = False,
    json_out: JsonOut = None,
    debug: Debug = False,  # noqa: ARG001  read by its callback
) -> None:
    """Train one model, choose its epoch on validation and read test once.

    Without a validation file a tenth of each user's training items is held out for it; with
    --set cf.validation=none all rows train, for exactly cf.epochs epochs. Settings are those of `hnlm config show`
    under cf, such as cf.lr, cf.dim, cf.layers, cf.candidates.

    Example: hnlm cf train --data data/gowalla --model lightgcn --sampler dns --set cf.epochs=50 --json-out result.json
    """
    from hnlm_ray.commands.cf.request import Request
    from hnlm_ray.commands.cf.train import train_alone

    names = {name: value for name, value in (("model", model), ("sampler", sampler), ("loss", loss)) if value}
    request = Request(
        folder=data,
        kind=kind,
        given=names,
        overrides=overrides or [],
        seed=seed,
        metric=metric,
        cutoffs=cutoffs,
        fuse=fuse,
        fuse_overrides=fuse_overrides or [],
        threads=threads,
        device=device,
        out=out,
        resume=resume,
        keep_scores=keep_scores,
        index=index,
    )
    train_alone(request, Output(as_json, json_out), current(context))
