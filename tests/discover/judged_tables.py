"""How made-up tables are read: right, asked about, refused, or silently wrong.

``python tests/discover/judged_tables.py 2000`` prints a table of what went wrong; with ``--show SEED`` one table.
"""

import os
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from made_columns import Ratings
from made_tables import Made, Row, made_table

from hnlm_ray.base.errors import HnlmError
from hnlm_ray.discover.files.sample import Overrides, Question
from hnlm_ray.discover.found import Understanding
from hnlm_ray.discover.measure import Measured, core_of, measure
from hnlm_ray.discover.understanding import understand

RIGHT, ASKED, COUNTED, REFUSED, SILENT = "right", "asked", "counted", "refused", "silently wrong"
VERDICTS = (RIGHT, ASKED, COUNTED, REFUSED, SILENT)
_OPTIONS = {
    "user": ("--user", "--header"), "item": ("--item", "--header"), "rating": ("--rating", "--best", "--header"),
    "time": ("--time", "--header"), "rows": ("--event", "--header"),
}  # fmt: skip


@dataclass
class Judged:
    """A table's verdict; ``wrong`` has what was read wrong by role, whether it was asked about or not."""

    seed: int
    verdict: str
    wrong: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    traits: tuple[str, ...] = ()
    odd: bool = False


class Asking:
    """Takes the first answer, as ``--yes`` does, and keeps the questions."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    def __call__(self, question: Question) -> int:
        self.questions.append(question)
        return 0


def judged(made: Made, folder: str) -> Judged:
    """Read a table as ``hnlm init --yes`` does and compare it with what it means."""
    path = os.path.join(folder, made.file)
    with open(path, "wb") as stream:
        stream.write(made.data)
    asking = Asking()
    try:
        found = understand([path], Overrides(), asking)
        measured = measure(found.source)
        core = core_of(measured, found.min_rating, 300)
    except HnlmError as error:
        return Judged(made.seed, REFUSED, {"refused": str(error)}, traits=made.traits, odd=made.odd)
    finally:
        os.remove(path)
    said = [f"{one.text} [{one.option}]" for one in asking.questions] + list(map(str, getattr(found, "warnings", [])))
    wrong = differences(made, found, measured)
    if core is None:
        wrong["rating"] = "no row is a positive"
    return Judged(made.seed, _verdict(made, wrong, said, measured), wrong, said, made.traits, made.odd)


def _verdict(made: Made, wrong: dict[str, str], said: Sequence[str], measured: Measured) -> str:
    unsaid = [role for role in wrong if not any(_is_about(made, role, told) for told in said)]
    if not unsaid:
        return ASKED if said else RIGHT
    lost = all(wrong[role].endswith("rows lost") for role in unsaid) and measured.bad > 0
    return COUNTED if lost else SILENT


def _is_about(made: Made, role: str, told: str) -> bool:
    """Tell whether a question or warning is about what is wrong: it names its column, or the option for it."""
    named = made.names.get(role, "")
    return any(option in told for option in _OPTIONS[role]) or (named != "" and named in told)


def differences(made: Made, found: Understanding, measured: Measured) -> dict[str, str]:
    """Return what was read wrong, by role; rows are compared only where users and items are the right columns."""
    names = ("user_id", "item_id", "rating", "timestamp")
    read = list(zip(*(measured.rows[name].to_pylist() for name in names), strict=True))
    wrong = {
        role: f"{role} is another column: {_column(found, role)}, not {made.names[role]}"
        for at, role in enumerate(("user", "item"))
        if _strange({row[at] for row in read}, {getattr(row, role) for row in made.rows})
    }
    if wrong:
        return wrong
    pairs, lost, added = aligned(made.rows, read)
    added += sum(row.junk for row, _ in pairs) if made.scale is None else 0
    if lost or added:
        wrong["rows"] = f"{added} rows added" if added else f"{lost} rows lost"
    wrong |= _ratings_wrong(made, found, pairs) | _times_wrong(made, found, pairs)
    return wrong


def _column(found: Understanding, role: str) -> object:
    columns = found.source.get("interactions", {}).get("columns", {})
    return columns.get(role, "none" if columns else found.source["format"])


def _strange(read: set[str], true: set[str]) -> bool:
    return len(read & true) < 0.9 * len(read)


def aligned(rows: Sequence[Row], read: Sequence[tuple]) -> tuple[list[tuple[Row, tuple]], int, int]:
    """Put what was read beside what is there, pair by pair; count rows that are missing and rows that are too many."""
    pairs, lost, added = [], 0, 0
    there: dict[tuple[str, str], list[Row]] = defaultdict(list)
    got: dict[tuple[str, str], list[tuple]] = defaultdict(list)
    for row in rows:
        there[row.user, row.item].append(row)
    for one in read:
        got[one[0], one[1]].append(one)
    for key in there | got:
        wanted, sure = there.get(key, []), [row for row in there.get(key, []) if row.sure]
        found = got.get(key, [])
        lost += max(0, len(sure) - len(found))
        added += max(0, len(found) - len(wanted))
        kept = wanted if len(found) == len(wanted) else sure
        pairs += zip(kept, found, strict=True) if len(found) == len(kept) else []
    return pairs, lost, added


def _ratings_wrong(made: Made, found: Understanding, pairs: Sequence[tuple[Row, tuple]]) -> dict[str, str]:
    column, got = _column(found, "rating"), [one[2] for _, one in pairs]
    if made.scale is None:
        invented = found.min_rating is not None or any(rating is not None for rating in got)
        return {"rating": f"rating is another column: {column}"} if invented else {}
    if found.min_rating is None or all(rating is None for rating in got):
        return {"rating": f"rating is not used: {made.names['rating']}"}
    told = _values_wrong(made.scale, pairs) or _positives_wrong(made.scale, found.min_rating, pairs)
    if told and _is_another(found, column, made.names["rating"]):
        told = f"rating is another column: {column}, not {made.names['rating']}"
    return {"rating": told} if told else {}


def _is_another(found: Understanding, column: object, true: str) -> bool:
    return found.source["format"] == "table" and column != true


def _values_wrong(scale: Ratings, pairs: Sequence[tuple[Row, tuple]]) -> str:
    for row, (*_, rating, _) in pairs:
        if row.rating is None and rating is not None and rating != row.unrated_or:
            return f"no rating is read as {rating:g}"
        if row.rating is not None and rating is None:
            return f"rating {row.rating:g} is read as none"
    rated = [(row.rating, rating) for row, (*_, rating, _) in pairs if row.rating is not None]
    if scale.words or any(_near(rated, factor) for factor in scale.factors):
        return ""
    true, other = next(pair for pair in rated if not _near([pair], scale.factors[0]))
    return f"rating {true:g} is read as {other:g}"


def _positives_wrong(scale: Ratings, least: float, pairs: Sequence[tuple[Row, tuple]]) -> str:
    for row, (*_, rating, _) in pairs:
        positive = rating is not None and rating >= least - 1e-6
        true = row.rating if row.rating is not None else scale.disliked
        if (true >= scale.liked and not positive) or (true <= scale.disliked and positive):
            return f"min_rating {least:g} on a scale {scale.kind}"
    return ""


def _near(rated: Iterable[tuple[float, float]], factor: float) -> bool:
    return all(abs(true * factor - rating) < 1e-4 for true, rating in rated)


def _times_wrong(made: Made, found: Understanding, pairs: Sequence[tuple[Row, tuple]]) -> dict[str, str]:
    column = _column(found, "timestamp")
    got = [one[3] for _, one in pairs]
    if made.clock is None:
        return {"time": f"time is another column: {column}"} if any(when is not None for when in got) else {}
    if all(when is None for when in got):
        return {"time": f"time is not used: {made.names['time']}"}
    for row, (*_, when) in pairs:
        if when != row.time:
            another = _is_another(found, column, made.names["time"])
            told = f"another column: {column}, not {made.names['time']}" if another else f"wrong: {row.time} as {when}"
            return {"time": f"time is {told}"}
    return {}


def judged_seeds(seeds: Iterable[int]) -> list[Judged]:
    """Judge the tables of some seeds; what raises anything but a sentence is silently wrong."""
    with tempfile.TemporaryDirectory() as folder:
        return [_judged(made_table(seed), folder) for seed in seeds]


def _judged(made: Made, folder: str) -> Judged:
    try:
        return judged(made, folder)
    except Exception as error:  # noqa: BLE001  a table's verdict
        return Judged(made.seed, SILENT, {"crash": repr(error)}, traits=made.traits, odd=made.odd)


def shares(judgements: Sequence[Judged]) -> dict[str, float]:
    """Return the share that is right without a question, of all and of the clean ones, and what is silently wrong.

    Clean are those without an odd cell that have names of columns: without names user and item are always asked about.
    """
    clean = [one for one in judgements if not one.odd and "no header" not in one.traits]
    return {
        "right": sum(one.verdict == RIGHT for one in judgements) / len(judgements),
        "right of the clean": sum(one.verdict == RIGHT for one in clean) / max(1, len(clean)),
        "silent": sum(one.verdict == SILENT for one in judgements),
    }


def scoreboard(judgements: Sequence[Judged], most: int = 40) -> str:
    """Return a readable table: verdicts, then kinds of failures, then traits with the fewest right ones."""
    counts = Counter((one.odd, one.verdict) for one in judgements)
    lines = [f"{'':24}{''.join(f'{verdict:>16}' for verdict in VERDICTS)}{'all':>8}"]
    for title, odd in (("without odd cells", False), ("with odd cells", True)):
        row = [counts[odd, verdict] for verdict in VERDICTS]
        lines.append(f"{title:24}{''.join(f'{count:>16}' for count in row)}{sum(row):>8}")
    figures = shares(judgements)
    lines.append(
        f"right {figures['right']:.1%} (wanted 90%), of the clean {figures['right of the clean']:.1%} (97%), "
        f"silently wrong {figures['silent']} of {len(judgements)}"
    )
    return "\n".join([*lines, "", *_kinds(judgements, most), "", *_traits(judgements, most)])


def _kinds(judgements: Sequence[Judged], most: int) -> list[str]:
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in judgements:
        if one.verdict != RIGHT:
            kind, example = _kind(one)
            kinds[one.verdict, kind].append(f"{one.seed} {example}".strip())
    order = sorted(kinds, key=lambda kind: (-VERDICTS.index(kind[0]), -len(kinds[kind])))
    return [
        f"{verdict:>15} {len(kinds[verdict, kind]):>5}  {kind}  [{'; '.join(kinds[verdict, kind][:5])}]"
        for verdict, kind in order[:most]
    ]


def _kind(one: Judged) -> tuple[str, str]:
    """Name a failure in general, and by its columns and numbers."""
    if one.verdict == ASKED:
        options = {told.rpartition("[")[2].rstrip("]") if told.endswith("]") else told[:50] for told in one.said}
        return f"about {', '.join(sorted(options))}" + ", read wrong" * bool(one.wrong), ", ".join(one.wrong)
    if one.verdict == REFUSED:
        return re.sub(r"\S*/\S*", "", re.sub(r"\d+", "9", one.wrong["refused"]))[:100], ""
    told = list(one.wrong.values())
    general = [re.sub(r"-?\d[\d.]*", "9", text.partition(": ")[0]) for text in told]
    return "; ".join(general), ", ".join(text.partition(": ")[2] for text in told)


def _traits(judgements: Sequence[Judged], most: int) -> list[str]:
    tables: dict[str, Counter[str]] = defaultdict(Counter)
    for one in judgements:
        for trait in one.traits:
            tables[trait][one.verdict] += 1
    least = max(4, len(judgements) // 400)
    worst = sorted(
        (trait for trait, counts in tables.items() if counts.total() >= least),
        key=lambda trait: tables[trait][RIGHT] / tables[trait].total(),
    )
    return [f"{'trait':42}{''.join(f'{verdict:>16}' for verdict in VERDICTS)}"] + [
        f"{trait[:40]:42}{''.join(f'{tables[trait][verdict]:>16}' for verdict in VERDICTS)}" for trait in worst[:most]
    ]


def _shown(seed: int) -> str:
    """Return a table's first lines, what it means and how it was judged."""
    import gzip

    made = made_table(seed)
    data = gzip.decompress(made.data) if made.file.endswith(".gz") else made.data
    encoding = "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    text = data.decode(encoding, "replace").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        one = _judged(made, folder)
    told = [f"{made.file}  {made.names}", *text[:12], "...", *text[-2:], ", ".join(made.traits)]
    return "\n".join([*told, f"{one.verdict}: {one.wrong}", *one.said])


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["--show"]:
        for seed in arguments[1:]:
            print(_shown(int(seed)), end="\n\n")
        return
    count, first = int(arguments[0]) if arguments else 300, int(arguments[1]) if len(arguments) > 1 else 0
    began = time.process_time()
    judgements = judged_seeds(range(first, first + count))
    print(scoreboard(judgements))
    print(f"{(time.process_time() - began) / count * 1000:.0f} ms a table")


if __name__ == "__main__":
    main(sys.argv[1:])
