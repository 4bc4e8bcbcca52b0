"""A finished run of a study, from its published tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hnlm_ray.base.errors import WorkspaceError
from hnlm_ray.compare.leaderboard import Entry, best_by_validation, found_by, leaderboard
from hnlm_ray.compare.method_rows import MethodRows, Row, group_rows, refit_rows
from hnlm_ray.compare.user_groups import Groups, groups_of
from hnlm_ray.config import Config
from hnlm_ray.methods.known import RunMethods, result_name
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.workspace import PublishedTables, Workspace

CONFIG_FILE: Final = "config.json"
"""The run's configuration, beside its tables: `hnlm report --config` and others take it."""
READ: Final = ("users", "items", "interactions", "trials", "results", "frontier")
"""What a study reads of a run."""
ASKED: Final = tuple(
    stage.outputs[0] for stage in STAGES if stage.writes_texts and stage.outputs[0] in find_stage("trials").inputs
)
"""What the LLM wrote that methods read as evidence; what they read of it by way of the pool is not among it."""
_WHOLE_SHARE: Final = 1.0


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What a study knows of a run.

    Attributes
    ----------
    board
        Its leaderboard (:mod:`hnlm_ray.compare.leaderboard`).
    methods
        The rows of each of its methods, by their names in results.
    reads_vectors
        Those of them that read the vectors of a fine-tuned LLM.
    twins
        The same method by behaviour alone, of those of them that have one, by their names in results.
    tokens
        What its LLM has read and written for the profiles and judgements.
    groups
        Its test users and rows by activity and popularity; none without test rows.
    train_share
        The share of the training rows that it was given.
    counts
        What its stage ``results`` counted.
    content
        The hash of what its results are made from.
    seed
        Of the run: its searches draw by it.
    frontier
        The rows of its table ``frontier``: its samplers on one model.
    """

    dataset: str
    variant: str
    board: Mapping[str, Any]
    methods: Mapping[str, MethodRows]
    reads_vectors: frozenset[str]
    twins: Mapping[str, str]
    tokens: int
    groups: Groups | None
    train_share: float
    counts: Mapping[str, int | float | str | None]
    content: str
    seed: int
    frontier: Sequence[Row] = ()

    @property
    def name(self) -> str:
        """Its name in texts."""
        return f"{self.dataset}/{self.variant}"

    @property
    def metric(self) -> str:
        """The compared metric."""
        return str(self.board["metric"])

    @property
    def entries(self) -> list[Entry]:
        """The methods' entries on the leaderboard."""
        return list(self.board["methods"])

    @property
    def found_by(self) -> dict[str, list[Row] | None]:
        """The trials that decided each method's configurations, by its name in results."""
        return found_by(self.entries, self.methods)

    def best(self, family: str, among: Mapping[str, object] | frozenset[str] | None = None) -> str | None:
        """Return the family's best method by validation, of those in ``among``; none where none finished."""
        entries = [entry for entry in self.entries if among is None or entry["name"] in among]
        return best_by_validation(entries, family, self.metric)


def read_finished(workspace: Workspace, dataset: str, variant: str) -> FinishedRun:
    """Read a run's published tables.

    Raises
    ------
    WorkspaceError
        It has no results yet, they don't belong to the tables beside them, or its configuration is damaged.
    """
    published = PublishedTables.look(workspace)
    if published.state("results") != "there":
        raise WorkspaceError(f"there are no results of run {dataset}/{variant} in {workspace.uri}: run `hnlm study`")
    config = workspace.read_json(CONFIG_FILE, Config)
    if config is None:
        raise WorkspaceError(f"{workspace.uri}/{CONFIG_FILE} is missing or damaged: run `hnlm study` to write it")
    manifests = published.manifests
    trials, results = workspace.table("trials").read().to_pylist(), refit_rows(workspace.table("results").read())
    groups = groups_of(workspace.table("interactions").read(["user", "item", "split"]))
    known = RunMethods.of(config.tune)
    sizes = {name: sum(file.rows for file in manifests[name].files) for name in READ[:3] if name in manifests}
    tokens = published.tokens
    board = leaderboard(trials, results, sizes, config.tune.metric, groups=groups, methods=known, tokens=tokens)
    methods = {rows.name: rows for rows in group_rows(trials, results)}
    share = manifests["interactions"].depends_on.get("prepare.split.train_share", _WHOLE_SHARE)
    return FinishedRun(
        dataset,
        variant,
        board,
        methods,
        frozenset(name for name in methods if known[name.rpartition("-")[2]].needs == "vectors"),
        twins_of(methods, known),
        sum(tokens.get(name, 0) for name in ASKED),
        groups,
        float(share),
        manifests["results"].counts,
        manifests["results"].content,
        config.seed,
        workspace.table("frontier").read().to_pylist(),
    )


def twins_of(methods: Mapping[str, MethodRows], known: RunMethods) -> dict[str, str]:
    """Return the same methods by behaviour alone, of those that have one, by their names in results."""
    twins = {}
    for name in methods:
        model, _, method = name.rpartition("-")
        if (twin := known[method].without_text) is not None and known[method].family != "control":
            twins[name] = result_name(model, twin, known[twin])
    return twins
