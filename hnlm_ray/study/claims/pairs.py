"""What most claims compare: a run's best semantic method with its best classical one, both chosen on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hnlm_ray.compare.method_rows import Refits, Scope, shared_refits, speaks_of
from hnlm_ray.study.finished import FinishedRun


@dataclass(frozen=True)
class Pair:
    """Two methods of a run and the refits that both finished, by search and seed: (semantic, classical)."""

    run: FinishedRun
    semantic: str
    classical: str
    refits: Refits

    @property
    def about(self) -> str:
        """The comparison in words."""
        return f"{self.run.name}: {self.semantic} against {self.classical}"

    @property
    def speaks_of(self) -> Scope:
        """Whether the comparison is one of methods."""
        ours, base = (self.run.methods[name] for name in (self.semantic, self.classical))
        return speaks_of(ours, base, self.run.found_by)


def best_pair(
    run: FinishedRun, *, semantic: frozenset[str] | None = None, classical: frozenset[str] | None = None
) -> Pair | str:
    """Return the pair, of the methods given where some are; or why there is none, as a sentence."""
    ours, base = run.best("semantic", semantic), run.best("classical", classical)
    if ours is None or base is None:
        kind = "semantic" if ours is None else "classical"
        return f"{run.name}: no {kind} method that this asks for has figures; add one to `methods`"
    return pair_of(run, ours, base)


def pair_of(run: FinishedRun, ours: str, base: str) -> Pair | str:
    """Return the pair of two methods; or why there is none, as a sentence."""
    refits = shared_refits(run.methods[ours], run.methods[base])
    if not refits:
        return f"{run.name}: {ours} and {base} share no finished seed"
    return Pair(run, ours, base, refits)


def split_found(found: Sequence[Pair | str]) -> tuple[list[Pair], list[str]]:
    """Return the pairs, and the sentences."""
    return [one for one in found if isinstance(one, Pair)], [one for one in found if isinstance(one, str)]
