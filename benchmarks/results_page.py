# ruff: noqa: INP001 - a script beside the package
"""docs/results.md and docs/results.json from a finished study: what text is worth, with controls, costs and verdicts.

    hnlm study --config configs/studies/semantic.yaml
    python benchmarks/results_page.py runs/studies/semantic

The words between the two marks of the page are replaced; what stands around them is kept. Nothing is measured here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

Facts = Mapping[str, Any]
DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
START, END = "<!-- figures -->", "<!-- end of figures -->"
LEVEL: Final = 0.05


def page(study: Facts) -> str:
    """Return the figures of a study as Markdown."""
    rows = study["text_worth"]
    runs = {(run["dataset"], run["variant"]): run for run in study["runs"]}
    parts = [*_summary(rows, study["metric"])]
    for row in rows:
        run = runs[row["name"], row["variant"]]
        parts += ["", f"## {row['name']}", "", f"**{verdict(row)}**", "", *_methods(run, study["metric"])]
    return "\n".join(parts)


def verdict(row: Facts) -> str:
    """Say in a sentence whether semantics won on a data set: over the best classical method, and by the text."""
    ours, base = row["best_semantic"], row["best_classical"]
    gain, control = ours["versus_best_classical"], ours["versus_shuffled"]
    told = f"{ours['name']} {_share(gain['relative'])} to {base['name']} (Holm p {_p(gain['p_holm'])})"
    if control is None:
        beside = "no control with shuffled text"
    else:
        beside = f"{_share(control['relative'])} to its own shuffled text (p {_p(control['p'])})"
    return f"{_word(_sign(gain['relative'], gain['p_holm']), control)}: {told}; {beside}."


def _word(sign: int, control: Facts | None) -> str:
    if sign < 0:
        return "Texts lose"
    if sign == 0:
        return "No difference that can be told"
    by_text = control is not None and _sign(control["relative"], control["p"]) > 0
    return "Texts win" if by_text else "It wins, but it can't be told that its texts do"


def _sign(relative: float | None, p: float | None) -> int:
    """Return 1 or -1 for a gain or a loss that chance hardly gives, else 0."""
    if relative is None or p is None or p >= LEVEL:
        return 0
    return (relative > 0) - (relative < 0)


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
    yield f"| method | family | test {metric} | std over seeds | to {run['best_classical']} | 95% CI | Holm p | CPU s |"
    yield f"|{'---|' * 8}"
    for one in run["methods"]:
        low, high = one["ci95"]
        interval = "" if low is None else f"[{low:+.4f}, {high:+.4f}]"
        cells = [one["name"], one["family"], _figure(one["test"]), _figure(one["test_std"])]
        cells += [_share(one["relative"]), interval, _p(one["p_holm"])]
        cells.append(f"{one['cpu_seconds']:,.0f}")
        yield f"| {' | '.join(cells)} |"


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
    figures = json.dumps({"datasets": study["text_worth"]}, indent=1)
    (given.docs / "results.json").write_text(f"{figures}\n", encoding="utf-8")
    target = given.docs / "results.md"
    before, _, rest = target.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    target.write_text(f"{before}{START}\n{page(study)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
