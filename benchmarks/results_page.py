# ruff: noqa: INP001 - a script beside the package
"""docs/results.md and docs/results.json from a finished study: what text is worth, with controls, costs and headlines.

    hnlm study --config configs/studies/semantic.yaml
    python benchmarks/results_page.py runs/studies/semantic

The words between the two marks of the page are replaced; what stands around them is kept. Nothing is measured here, and
nothing judged: the words on a data set are its run's own headline, and a study that has none gives figures alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hnlm_ray.compare.method_rows import unit_of
from hnlm_ray.study.words import headlines, over_datasets

Facts = Mapping[str, Any]
DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
START, END = "<!-- figures -->", "<!-- end of figures -->"


def page(study: Facts) -> str:
    """Return the figures of a study as Markdown."""
    rows = study["text_worth"]
    runs = {(run["dataset"], run["variant"]): run for run in study["runs"]}
    parts = [*_summary(rows, study["metric"]), "", *_pooled(study.get("pooled"))]
    for row in rows:
        run = runs[row["name"], row["variant"]]
        parts += ["", f"## {row['name']}", "", told(row, run), "", *_methods(run, study["metric"])]
    return "\n".join(parts)


def for_programs(study: Facts) -> dict[str, Any]:
    """Return what results.json holds; a study of before has nothing pooled."""
    return {"datasets": study["text_worth"], **({"pooled": study["pooled"]} if "pooled" in study else {})}


def told(row: Facts, run: Facts) -> str:
    """Return the run's headline, where the study has one, and the figures of its best semantic method."""
    words = headlines(run) if "finding" in run else []
    return " ".join(
        [*(f"**{one}** By this run alone, its p corrected over its own comparisons." for one in words), figures(row)]
    )


def figures(row: Facts) -> str:
    """Set the best semantic method beside the best classical one and its own shuffled text, without a judgement."""
    ours, base = row["best_semantic"], row["best_classical"]
    gain, control = ours["versus_best_classical"], ours["versus_shuffled"]
    compared = (
        f"{ours['name']} {_share(gain['relative'])} to {base['name']} (Holm p over the study {_p(gain['p_holm'])})"
    )
    if control is None:
        return f"{compared}; no control with shuffled text."
    return f"{compared}; {_share(control['relative'])} to its own shuffled text (p {_p(control['p'])})."


def _pooled(found: Facts | None) -> Iterator[str]:
    if found is None:
        return
    if found["reason"]:
        yield f"Over data sets nothing can be said of methods: {found['reason']}."
        return
    yield f"Over {len(found['datasets'])} data sets, each with searches of its own:"
    yield ""
    yield from (f"- {over_datasets(one)}." for one in found["comparisons"])


def _summary(rows: Sequence[Facts], metric: str) -> Iterator[str]:
    yield (
        f"| data set | users x items | best classical | {metric} | best semantic | {metric} | gain [95% CI] | Holm p | "
        "over the best without fusion | p | "
        "over shuffled text | p | over no text | p | text's part of the gain | rare items found, ours / classical | "
        "CPU s of its trials, ours / classical |"
    )
    yield f"|{'---|' * 17}"
    for row in rows:
        ours, base = row["best_semantic"], row["best_classical"]
        gain = ours["versus_best_classical"]
        cells = [
            *(row["name"], f"{row['users']:,} x {row['items']:,}", base["name"], f"{base[metric]:.4f}"),
            *(ours["name"], f"{ours[metric]:.4f}", f"{_share(gain['relative'])} {_between(gain['ci95'])}"),
            _p(gain["p_holm"]),
            *_named(ours["versus_best_unfused"]),
            *_against(ours["versus_shuffled"]),
            *_against(ours["versus_without_text"]),
            "" if ours["text_share"] is None else f"{ours['text_share']:.0%}",
            f"{_figure(ours['items_rare'])} / {_figure(base['items_rare'])}",
            f"{ours['cpu_seconds']:,.0f} / {base['cpu_seconds']:,.0f}",
        ]
        yield f"| {' | '.join(cells)} |"


def _methods(run: Facts, metric: str) -> Iterator[str]:
    figure = f"test {metric} | std over {_units(run['methods'])}"
    yield f"| method | family | {figure} | to {run['best_classical']} | 95% CI | Holm p | CPU s |"
    yield f"|{'---|' * 8}"
    for one in run["methods"]:
        low, high = one["ci95"]
        interval = "" if low is None else f"[{low:+.4f}, {high:+.4f}]"
        cells = [one["name"], one["family"], _figure(one["test"]), _figure(one["test_std"])]
        cells += [_share(one["relative"]), interval, _p(one["p_holm"])]
        cells.append(f"{one['cpu_seconds']:,.0f}")
        yield f"| {' | '.join(cells)} |"


def _units(methods: Sequence[Facts]) -> str:
    """Return what the deviations are over; studies of before had one search, and don't say so."""
    return " or ".join(sorted({unit_of(range(one.get("searches", 1))) for one in methods if one["test"] is not None}))


def _against(found: Facts | None) -> tuple[str, str]:
    return ("", "") if found is None else (_share(found["relative"]), _p(found["p"]))


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:+.1%}"


def _between(bounds: Sequence[float | None]) -> str:
    low, high = bounds
    return "" if low is None or high is None else f"[{low:+.1%}, {high:+.1%}]"


def _named(found: Facts | None) -> tuple[str, str]:
    relative, p = _against(found)
    return ("", "") if found is None else (f"{found['name']} {relative}", p)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _p(value: float | None) -> str:
    return "" if value is None else "<.0001" if value < 1e-4 else f"{value:.4f}"


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="the study's workspace")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where results.md and results.json lie (docs)")
    given = parser.parse_args()
    study = json.loads((given.study / "study.json").read_text(encoding="utf-8"))
    text = json.dumps(for_programs(study), indent=1)
    (given.docs / "results.json").write_text(f"{text}\n", encoding="utf-8")
    target = given.docs / "results.md"
    before, _, rest = target.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    target.write_text(f"{before}{START}\n{page(study)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
