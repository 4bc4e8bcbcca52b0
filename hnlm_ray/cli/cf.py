"""The commands ``hnlm cf ...``."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

import typer
from typer.core import TyperCommand, TyperOption

from hnlm_ray.commands.invocation import current
from hnlm_ray.commands.options import AsJson, Debug, JsonOut, Overrides
from hnlm_ray.commands.output import Output

OF_A_RUN: Final = ("pool", "vectors")
"""Samplers that need what the LLM wrote: a pipeline has it, a folder of interactions has not."""


NAMES: Final = "{names}"
"""Stands for the values of the setting that an option is called after."""


def one_of(setting: str) -> str:
    """Return the values of a setting of a CF training for a help text, its default named."""
    from hnlm_ray.config import CFConfig

    field = CFConfig.model_fields[setting]
    names = [name for name in get_args(field.annotation) if name not in OF_A_RUN]
    return ", ".join(f"{name} (default)" if name == field.default else name for name in names)


class TrainCommand(TyperCommand):
    """Names the models, samplers and losses when its help is shown: `hnlm --help` reads no configuration."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  typer's own signature
        """Write the help."""
        for option in self.params:
            if isinstance(option, TyperOption) and NAMES in (option.help or ""):
                option.help = (option.help or "").replace(NAMES, one_of(str(option.name)))
        super().format_help(ctx, formatter)


def train(
    context: typer.Context,
    *,
    data: Annotated[str, typer.Option("--data", metavar="DIR", help="Folder with the interactions.")],
    kind: Annotated[
        Literal["ngcf", "parquet"],
        typer.Option(
            "--format",
            help="ngcf: train.txt, test.txt (and validation.txt), lines `user item item ...`; parquet: train.parquet, "
            "test.parquet (and validation.parquet) with columns user and item, or interactions.parquet with a column "
            "split as well; ids are numbers or text.",
        ),
    ] = "ngcf",
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help=f"One of {NAMES}, or module:Class; cf.model.")
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            "--sampler", metavar="NAME", help=f"One of {NAMES}, or module:Class, draws negatives; cf.sampler."
        ),
    ] = None,
    loss: Annotated[str | None, typer.Option("--loss", metavar="NAME", help=f"One of {NAMES}; cf.loss.")] = None,
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
    --set cf.validation=none all rows train, for exactly cf.epochs epochs. --set takes the settings that
    `hnlm config schema` describes under cf, such as cf.lr, cf.dim, cf.layers, cf.candidates, cf.softmax.temperature.
    A setting that the model, sampler or loss doesn't read is noted.

    Beside the interactions may lie item_text.npy, user_text.npy, triples.txt (or .parquet) and teacher_scores.npy,
    for what reads them.

    Ctrl-C stops; with --out the same command and --resume goes on.

    Example: hnlm cf train --data data/gowalla --model lightgcn --sampler dns --set cf.epochs=50 --json-out result.json

    Example: hnlm cf train --data shop --format parquet --model lightgcn --loss softmax --fuse ease --out runs/shop
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
