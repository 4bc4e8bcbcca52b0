"""Stage: candidates, interactions (training rows), items and profiles -> judgements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.evidence.answers import PROBLEMS, VERDICTS
from hnlm_ray.evidence.prompts import judgement_task
from hnlm_ray.llm.rows.stream import run_llm
from hnlm_ray.workspace.stage import Outcome, StageRun

Counts = dict[str, int | float | str | None]
_COLUMNS = ("candidates", "verdicts", *PROBLEMS)


def judge(run: StageRun) -> Outcome:
    """Ask the LLM what each chosen user would want of its candidates; see :func:`hnlm_ray.llm.rows.stream.run_rows`."""
    outcome = run_llm(run, judgement_task(run.config, run.workspace))
    store = run.output("judgements")
    counts = verdict_counts(store.read_parts(store.parts(run.fingerprint), list(_COLUMNS)))
    return replace(outcome, counts={**outcome.counts, **counts})


def verdict_counts(rows: pa.Table) -> Counts:
    """Count the candidates that were listed, the verdicts on them, and what was wrong with the others.

    ``wanted_share`` is of the verdicts that are sure.
    """
    listed = int(pc.sum(pc.list_value_length(rows["candidates"])).as_py() or 0)
    given = pc.drop_null(pc.list_flatten(rows["verdicts"])).to_numpy()
    wanted, unwanted = (int(np.sum(given == VERDICTS[word])) for word in ("yes", "no"))
    counts: Counts = {
        "candidates": listed,
        "judged": len(given),
        "wanted": wanted,
        "not_wanted": unwanted,
        "unsure": len(given) - wanted - unwanted,
        **{f"entries_{problem}": int(pc.sum(rows[problem]).as_py() or 0) for problem in PROBLEMS},
    }
    shares = {"judged_share": (len(given), listed), "wanted_share": (wanted, wanted + unwanted)}
    return counts | {name: round(part / whole, 4) for name, (part, whole) in shares.items() if whole}
