"""What a prompt says: the user's profile, some training items, and the numbered candidates.

Stage: candidates, interactions (training rows), items and profiles -> judgements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hnlm_ray.config import Config, EvidenceConfig
from hnlm_ray.evidence.answers import PROBLEMS, VERDICTS, JudgementFormat
from hnlm_ray.llm.rows.job import LLMTask, RowPrompt
from hnlm_ray.llm.rows.stream import run_llm
from hnlm_ray.llm.text.chat_tokens import BoundedTexts
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.negatives.text import Described
from hnlm_ray.profiles.users import liked_item
from hnlm_ray.workspace import Workspace
from hnlm_ray.workspace.stage import Outcome, StageRun
from hnlm_ray.workspace.training_data import (
    UserHistory,
    bucket_count,
    histories,
    rows_by_item,
    training_rows,
    user_profiles,
)

Candidates = Mapping[int, Sequence[int]]
"""By user: items in the order of their numbers, the first is number 1."""


def judgement_prompts(
    users: Sequence[UserHistory], candidates: Candidates, known: Described, config: EvidenceConfig
) -> list[RowPrompt]:
    """Return one prompt for each user who has candidates."""

    def told(item: int, texts: BoundedTexts) -> dict[str, str]:
        return liked_item(known.items[item], known.item_profiles.get(item), config.item_chars, texts)

    def prompt(history: UserHistory, listed: Sequence[int]) -> RowPrompt:
        texts = BoundedTexts()
        taste = str((known.user_profiles.get(history.user) or {}).get("summary") or "")[: config.person_chars]
        data = {
            **({"person": taste} if taste else {}),
            "liked": [told(item, texts) for item in history.items[: config.history]],
            "candidates": [{"number": n, **_without_number(told(item, texts))} for n, item in enumerate(listed, 1)],
        }
        return RowPrompt((history.user,), data, texts.cut, texts.defused, beside={"candidates": list(listed)})

    return [prompt(history, listed) for history in users if (listed := candidates.get(history.user))]


def _without_number(facts: Mapping[str, str]) -> dict[str, str]:
    """Leave out an attribute that is called as the candidate's number is: it would take its place."""
    return {name: value for name, value in facts.items() if name != "number"}


def judgement_task(config: Config, workspace: Workspace) -> LLMTask:
    """Return what the stage asks of users."""
    evidence = config.evidence

    def prompts(bucket: int) -> list[RowPrompt]:
        candidates = candidates_of(workspace, bucket)
        users = [one for one in histories(training_rows(workspace, bucket)) if one.user in candidates]
        return judgement_prompts(users, candidates, described(workspace, bucket), evidence)

    return LLMTask(
        table="judgements",
        keys=("user",),
        buckets=bucket_count(workspace),
        prompts=prompts,
        expected=JudgementFormat.of_candidates(evidence.candidates, evidence.reason_chars),
        columns={name: name for name in ("reasons", "verdicts", *PROBLEMS)},
        max_tokens=evidence.max_tokens,
        prompt=load_prompt(evidence.prompt),
        simple=load_prompt(evidence.simple_prompt),
        limit="evidence.max_tokens",
    )


def candidates_of(workspace: Workspace, bucket: int) -> dict[int, list[int]]:
    """Return the candidates of a bucket's users: their table has a file a bucket."""
    rows = workspace.table("candidates").read_file(bucket, ["user", "items"])
    return dict(zip(rows["user"].to_pylist(), rows["items"].to_pylist(), strict=True))


def described(workspace: Workspace, bucket: int) -> Described:
    """Return what is known of the catalogue and of a bucket's users."""
    items, profiles = rows_by_item(workspace, "items"), rows_by_item(workspace, "item_profiles")
    return Described(items, profiles, user_profiles(workspace, bucket))


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
