# ruff: noqa: INP001 - a script beside the package
"""docs/demo.json from a finished demo: the figures that the README tells of it.

    make demo
    python benchmarks/demo_figures.py

Nothing is measured here. tests/test_result_figures.py holds every figure of the README to this file and to
docs/results.json, so after another demo both are changed together.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hnlm_ray.commands.results.finetune import read_eval
from hnlm_ray.commands.results.results import read_results
from hnlm_ray.config.loading import load_config
from hnlm_ray.pipeline.stages import STAGES
from hnlm_ray.workspace import PublishedTables, Workspace

REPOSITORY: Final = Path(__file__).resolve().parent.parent
_LONG: Final = ("by_group", "control_takes", "controls", "nests", "reasons", "errors")


def figures(config_path: str) -> dict[str, Any]:
    """Return what the demo's run published: stages, comparison, and the evaluation of the fine-tuned LLM."""
    config = load_config(config_path)
    workspace = Workspace.open(config.workspace)
    manifests = PublishedTables.look(workspace).manifests
    by_stage = {stage.name: manifests[stage.outputs[0]] for stage in STAGES if stage.outputs[0] in manifests}
    stages = {
        name: {
            "rows": manifest.rows.model_dump(),
            "tokens": manifest.tokens.model_dump(by_alias=True),
            "seconds": manifest.seconds,
            "counts": manifest.counts,
        }
        for name, manifest in by_stage.items()
    }
    evaluation = read_eval(workspace)
    return {"stages": stages, "results": short(read_results(config, workspace)), "finetune_eval": evaluation}


def short(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return a JSON value without what no sentence tells."""
    if isinstance(value, Mapping):
        return {name: short(one) for name, one in value.items() if name not in _LONG}
    return [short(one) for one in value] if isinstance(value, list) else value


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default=str(REPOSITORY / "configs" / "demo.yaml"), help="the demo's file")
    given = parser.parse_args()
    text = json.dumps(figures(given.config), indent=1, allow_nan=False)
    (REPOSITORY / "docs" / "demo.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
