"""What is seen of a sweep from within: when trials begin and end in their workers, memory, and where the data lie.

A note is a line of JSON in the file that the environment names. Memory is what is a process's own (Linux's RssAnon):
files and the object store, which processes share, are not in it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any, Final

import numpy as np

from cf_bench.report import Row, row_of

NOTES: Final = "HNLM_BENCH_NOTES"
GROWTH: Final = 1.1
"""What memory may grow to, from the first tenth of the trials to the last."""
START_UP_S: Final = 1.0
Note = dict[str, Any]


def write_note(event: str, **values: object) -> None:
    """Add a note; a short line is written at once, so that processes don't mix theirs."""
    with Path(os.environ[NOTES]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"event": event, "pid": os.getpid(), "at": time.time(), **values}) + "\n")


def watched_training(params: Mapping[str, str], shared: Any) -> None:  # noqa: ANN401  the worker's own class
    """Run a trial as the sweep does, with a note when it begins and when it has ended."""
    from hnlm_ray.tune.job import Job
    from hnlm_ray.tune.run.worker import run_training

    write_note("begin", part=Job.from_json(params["job"]).part)
    run_training(params, shared)
    write_note("end", own_mib=own_mib(), copied_mib=copied_mib(arrays_of(shared.data)))


def own_mib() -> float:
    """Return the memory that is this process's own, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("RssAnon"))


def arrays_of(value: object) -> list[np.ndarray]:
    """Return every array that a dataclass holds, also those of dataclasses in it."""
    if isinstance(value, np.ndarray):
        return [value]
    if not is_dataclass(value):
        return []
    return [array for field in fields(value) for array in arrays_of(getattr(value, field.name))]


def copied_mib(arrays: Sequence[np.ndarray]) -> float:
    """Return how much of the arrays, in MiB, does not lie in the object store that this process has mapped."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    bounds = [line.split()[0].split("-") for line in maps if "plasma" in line]
    stores = [(int(low, 16), int(high, 16)) for low, high in bounds]
    return sum(array.nbytes for array in arrays if not _lies_in(array, stores)) / 2**20


def _lies_in(array: np.ndarray, ranges: Sequence[tuple[int, int]]) -> bool:
    address = array.__array_interface__["data"][0]
    return any(low <= address and address + array.nbytes <= high for low, high in ranges)


def read_notes(path: Path) -> list[Note]:
    """Return the notes in the order of time."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return sorted((json.loads(line) for line in lines), key=lambda note: note["at"])


def start_ups(notes: Sequence[Note]) -> list[float]:
    """Return, of each trial in a worker that had one before, the seconds from that one's end to its first epoch's end.

    What leads up to the first epoch, and that epoch itself, count by their CPU seconds, as its curve has them.
    """
    first_epochs = next(note["first_epochs"] for note in notes if note["event"] == "rows")
    ended, found = dict[int, float](), list[float]()
    for note in notes:
        if note["event"] == "end":
            ended[note["pid"]] = note["at"]
        elif note["event"] == "begin" and note["pid"] in ended:
            found.append(note["at"] - ended[note["pid"]] + first_epochs[note["part"]])
    return found


def seen_rows(work: str, notes: Sequence[Note], *, judged: bool) -> list[Row]:
    """Return what a sweep's memory grew to, and what the start of a trial took."""
    seconds = start_ups(notes)
    taken = f"{work}: a trial's end to the next one's first epoch done, longest (median {median(seconds):.2f} s)"
    limit = row_of(taken, "the limit", max(seconds), START_UP_S, unit="s", target=1.0 if judged else None, runs=seconds)
    return [_memory_row(work, who, notes, event, judged) for who, event in _WHO.items()] + [limit]


_WHO: Final = {"driver": "counted", "worker": "end"}


def _memory_row(work: str, who: str, notes: Sequence[Note], event: str, judged: bool) -> Row:  # noqa: FBT001
    series = [note["own_mib"] for note in notes if note["event"] == event]
    tenth = max(len(series) // 10, 1)
    name = f"{work}: own memory of a {who} after {len(series)} trials"
    target = 1 / GROWTH if judged else None
    ours, before = mean(series[-tenth:]), mean(series[:tenth])
    return row_of(name, f"after {tenth}", ours, before, unit="MiB", target=target, runs=series)
