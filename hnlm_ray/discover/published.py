"""Data sets as their publishers lay them out, known by names and keys: their own formats then read them.

Splits that the names of files tell, and the patterns that name several files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from hnlm_ray.base.errors import InputError, SourceError
from hnlm_ray.discover.files.columns import Column
from hnlm_ray.discover.files.heads import Head
from hnlm_ray.discover.files.inputs import Place
from hnlm_ray.discover.files.names import tokens
from hnlm_ray.discover.files.sample import Ask, Question, Table
from hnlm_ray.sources.readers.files import find_files, plain_path
from hnlm_ray.sources.readers.streams import compression_of

_SPLIT_LINE: Final = re.compile(r"[0-9]+(?:[ \t]+[0-9]+)*\s*")
_ASIN: Final = re.compile(r"[0-9A-Z]{10}")
_AMAZON_USER: Final = re.compile(r"A[0-9A-Z]{9,20}")
_SPLIT_FILES: Final = ("train.txt", "test.txt")
_YELP_FILES: Final = ("yelp_academic_dataset_review.json", "yelp_academic_dataset_business.json")
_MOVIELENS: Final = {
    "movielens_1m": ("ratings.dat", "movies.dat"),
    "movielens_latest": ("ratings.csv", "movies.csv"),
    "movielens_100k": ("u.data", "u.item"),
}
_MOVIELENS_LINES: Final = {
    "movielens_1m": r"\d+::\d+::[1-5]::\d+",
    "movielens_latest": r"userId,movieId,rating,timestamp",
    "movielens_100k": r"\d+\t\d+\t[1-5]\t\d+",
}

Heads = Mapping[Place, Head | None]


@dataclass(frozen=True)
class Published:
    """A known layout.

    Attributes
    ----------
    source
        The section ``source`` of the configuration.
    used
        The files that it reads.
    told
        What it was known by.
    min_rating
        The least rating of a positive; None when there are no ratings.
    given
        Train and test are the publisher's.
    pairs
        Its first interactions where item files may be added; else None.
    """

    source: dict[str, Any]
    used: tuple[Place, ...]
    told: str
    min_rating: float | None = None
    given: bool = False
    pairs: Table | None = None


def known_layout(heads: Heads) -> Published | None:
    """Return the publisher's layout that some of the files have, if one is known."""
    for detect in (_yelp, _movielens, _recbole_100k, _amazon, _split_files):
        found = detect(heads)
        if found is not None:
            return found
    return None


def _folders(heads: Heads) -> dict[str, dict[str, Place]]:
    """Group the files by folder (a zip is one) and name; '.gz' is no part of a name."""
    folders: dict[str, dict[str, Place]] = {}
    for place in heads:
        folder = os.path.dirname(place.path) or "." if place.member is None else place.path
        folders.setdefault(folder, {})[place.base.removesuffix(".gz")] = place
    return folders


def _first_line(head: Head | None) -> str:
    return "" if head is None else head.text.split("\n", 1)[0].strip()


def _yelp(heads: Heads) -> Published | None:
    for folder, places in _folders(heads).items():
        used = tuple(places[name] for name in _YELP_FILES if name in places)
        if len(used) == len(_YELP_FILES) and used[0].member is None:
            return Published({"format": "yelp", "path": folder}, used, "the names of Yelp's files", min_rating=4)
    return None


def _movielens(heads: Heads) -> Published | None:
    for folder, places in _folders(heads).items():
        for layout, names in _MOVIELENS.items():
            used = tuple(places[name] for name in names if name in places)
            packed = any(place.member is None and place.compression != "none" for place in used)
            if (
                len(used) == 2
                and not packed
                and _is_latin(heads[used[1]], layout)
                and re.fullmatch(_MOVIELENS_LINES[layout], _first_line(heads[used[0]]))
            ):
                told = f"{names[0]} and {names[1]} as GroupLens writes them"
                return Published({"format": layout, "path": folder}, used, told, min_rating=4)
    return None


def _is_latin(head: Head | None, layout: str) -> bool:
    """ML-10M has the files of ML-1M, but its titles are UTF-8 and its ratings have halves."""
    return layout != "movielens_1m" or head is None or head.encoding != "utf-8" or head.text.isascii()


def _recbole_100k(heads: Heads) -> Published | None:
    names = ("ml-100k.inter", "ml-100k.item")
    for folder, places in _folders(heads).items():
        used = tuple(places[name] for name in names if name in places)
        if len(used) == len(names) and used[0].member is None:
            return Published(
                {"format": "movielens_100k", "path": folder}, used, "RecBole's ml-100k files", min_rating=4
            )
    return None


def _amazon(heads: Heads) -> Published | None:
    plain = {place: head for place, head in heads.items() if head is not None and place.compression in {"none", "gzip"}}
    reviews = {place: edition for place, head in plain.items() if (edition := _review_edition(place, head))}
    if not reviews:
        return None
    place, edition = next(iter(reviews.items()))
    source = {"format": edition, "reviews": place.path}
    metadata = next((one for one, head in plain.items() if one != place and _is_metadata(head, edition)), None)
    if metadata is not None:
        source["metadata"] = metadata.path
    used = (place,) if metadata is None else (place, metadata)
    return Published(source, used, "the keys of Amazon's reviews", min_rating=4)


def _review_edition(place: Place, head: Head) -> str | None:
    """Tell the edition by the keys of the first lines, or by the order of a 'ratings only' CSV."""
    first = _first_line(head)
    keys = set().union(*(_keys(line) for line in head.text.split("\n")[:50]))
    if {"reviewerID", "asin", "overall"} <= keys:
        return "amazon_2018" if keys & {"verified", "style", "vote"} else "amazon_2014"
    if {"parent_asin", "user_id", "rating"} <= keys or first.startswith("user_id,parent_asin,rating,timestamp"):
        return "amazon_2023"
    cells = first.split(",")
    if len(cells) != 4 or not place.base.lower().endswith((".csv", ".csv.gz")):
        return None
    if _AMAZON_USER.fullmatch(cells[0]) and _ASIN.fullmatch(cells[1]) and not _AMAZON_USER.fullmatch(cells[1]):
        return "amazon_2014"
    return "amazon_2018" if _ASIN.fullmatch(cells[0]) and _AMAZON_USER.fullmatch(cells[1]) else None


def _is_metadata(head: Head | None, edition: str) -> bool:
    if head is None:
        return False
    if edition == "amazon_2023":
        return {"parent_asin", "title"} <= _keys(_first_line(head)) and "user_id" not in _keys(_first_line(head))
    first = _first_line(head)
    return first.startswith("{'") or ("asin" in _keys(first) and "overall" not in _keys(first))


def _keys(line: str) -> set[str]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return set()
    return set(found) if isinstance(found, dict) else set()


def _split_files(heads: Heads) -> Published | None:
    for folder, places in _folders(heads).items():
        used = tuple(places[name] for name in _SPLIT_FILES if name in places)
        plain = all(place.compression == "none" for place in used)
        if len(used) == len(_SPLIT_FILES) and plain and all(_is_split(heads[place]) for place in used):
            source: dict[str, Any] = {"format": "ngcf", "path": folder}
            told = "train.txt and test.txt with a user's items a line"
            return Published(source, used, told, given=True, pairs=_pairs(used, heads))
    return None


def _text(head: Head | None) -> str:
    return "" if head is None else head.text


def _is_split(head: Head | None) -> bool:
    lines = [line for line in head.text.split("\n")[:200] if line.strip()] if head else []
    many = any(len(line.split()) != len(lines[0].split()) for line in lines[1:])
    return bool(lines) and (many or len(lines) == 1) and all(map(_SPLIT_LINE.fullmatch, lines))


def _pairs(used: Sequence[Place], heads: Heads) -> Table:
    """Return the first pairs of a split as a table, to which files about items can be linked."""
    lines = [line.split() for place in used for line in _text(heads[place]).split("\n")]
    users = [line[0] for line in lines if line for _ in line[1:]]
    items = [item for line in lines if line for item in line[1:]]
    columns = tuple(Column(name, pa.array(ids, pa.string())) for name, ids in (("user", users), ("item", items)))
    return Table(used[0], {}, columns, complete=False)


PARTS: Final = {
    "train": frozenset({"train", "training", "trn", "tr", "trainset", "traindata", "trainings", "trainingsdaten",
        "trainingsmenge", "lern", "lerndaten", "lernmenge", "apprentissage", "entrainement", "entrenamiento",
        "addestramento", "treino", "treinamento"}),
    "validation": frozenset({"valid", "validation", "val", "dev", "vali", "validate", "validierung",
        "validierungsdaten", "validacion", "validacao", "validazione"}),
    "test": frozenset({"test", "testing", "tst", "te", "heldout", "holdout", "testset", "testdata", "testdaten",
        "testmenge", "essai", "essais", "prueba", "pruebas", "teste", "prova"}),
}  # fmt: skip
"""Words of names of files and folders that tell the part of a split."""
_BASE: Final = "base"
"""Names the train part beside a test part of the same name, as GroupLens's ua.base and ua.test."""
_PATHS: Final = {"train": "path", "validation": "validation_path", "test": "test_path"}
Split = dict[str, list[Table]]


def split_of(tables: Sequence[Table], ask: Ask, wanted: str | None = None) -> Split:
    """Return the files of a split that the user made, by part; empty when their names tell none, or it is unwanted."""
    if wanted not in {None, "given"}:
        return {}
    splits = _splits(tables, numbered=True) or _splits(tables, numbered=False)
    usable = [split for split in splits if paths_of_split(split) is not None]
    if not splits:
        return {}
    if not usable:
        raise InputError(
            "train and test lie in one archive, are written in different ways, or several files of a part have no "
            "pattern of their own: unpack them, write both alike, join the files of a part, and name both files"
        )
    shown = [", ".join(table.place.shown for side in split.values() for table in side) for split in usable[:5]]
    anew = "read all as one and split anew"
    if len(usable) == 1:
        if wanted == "given":
            return usable[0]
        choices = ("keep it", anew)
        text = f"{shown[0]} look like a split that was made before: keep it?"
        return {} if ask(Question(text, choices, "--split given or --split random")) else usable[0]
    at = ask(Question("the files hold several splits: which one?", (*shown, anew), "name the files of one"))
    return usable[at] if at < len(shown) else {}


def _splits(tables: Sequence[Table], *, numbered: bool) -> list[Split]:
    """Group files by what their names say beside the part; a file that names no part trains where another tests."""
    told: dict[tuple[str, ...], Split] = {}
    for table in tables:
        key, part = part_of(table.place, numbered=numbered)
        told.setdefault(key, {}).setdefault(part, []).append(table)
    for parts in told.values():
        unnamed = next((part for part in (_BASE, "") if part in parts), None)
        if "train" not in parts and unnamed is not None:
            parts["train"] = parts.pop(unnamed)
    return [{role: parts[role] for role in PARTS if role in parts} for parts in told.values() if _is_whole(parts)]


def _is_whole(parts: Split) -> bool:
    return {"train", "test"} <= parts.keys()


def part_of(place: Place, *, numbered: bool) -> tuple[tuple[str, ...], str]:
    """Return what the name says beside the part, and the part: that of the file, else that of its folder."""
    *folders, base = plain_path(place.shown).split("/")
    words, part = _told(tokens(base))
    if not part and folders and (folder := _told(tokens(folders[-1])))[1] in PARTS:
        return (*folders[:-1], *folder[0], "/"), folder[1]
    words = words if numbered else tuple(plain for word in words if (plain := word.strip("0123456789")))
    return (*(name for name in folders if _told(tokens(name))[1] not in PARTS), *words), part


def _told(words: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return the words without the one that tells a part, and the part; '' where none or several do."""
    known = [(word, part) for word in words for part, names in PARTS.items() if word.rstrip("0123456789") in names]
    found = known or [(word, _BASE) for word in words if word == _BASE]
    if len(found) != 1:
        return words, ""
    (word, part), number = found[0], found[0][0].lstrip("abcdefghijklmnopqrstuvwxyz")
    return tuple(one for one in (*(word_ for word_ in words if word_ != word), number) if one), part


def paths_of_split(split: Split) -> dict[str, Any] | None:
    """Return the paths of a split that one configuration reads, or None."""
    paths = {_PATHS[role]: path_of(side) for role, side in split.items()}
    packing = packing_of([table for side in split.values() for table in side])
    return None if packing is None or None in paths.values() else {**paths, **packing}


def path_of(tables: Sequence[Table]) -> str | None:
    """Return the path of one file, or the pattern that names several and no other; None where there is none."""
    paths = [table.place.path for table in tables]
    return paths[0] if len(paths) == 1 else glob_of(paths)


def packing_of(tables: Sequence[Table]) -> dict[str, str] | None:
    """Return the option ``compression`` that reads all the files, none where they need none; None where none does."""
    first = tables[0]
    if any(table.place.member is not None for table in tables):
        return None
    if all(table.options == first.options for table in tables):
        return {}
    named = all(compression_of(table.place.path, "auto") == table.place.compression for table in tables)
    return {"compression": "auto"} if named and all(unpacked(table) == unpacked(first) for table in tables) else None


def unpacked(table: Table) -> dict[str, Any]:
    """Return how a file is written, but for its compression."""
    return {key: value for key, value in table.options.items() if key != "compression"}


def glob_of(paths: Sequence[str]) -> str | None:
    """Return a pattern that names some files and no other: as they are spelt, else normalised, else from the root."""
    wanted = {_absolute(file.name) for path in paths for file in find_files(path)}
    spelt = [[*paths], [plain_path(path) for path in paths], [_absolute(path) for path in paths]]
    patterns = [pattern for propose in (_by_part, _below) for one in spelt for pattern in propose(one)]
    found = (pattern for pattern in patterns if {_absolute(file.name) for file in _found(pattern)} == wanted)
    return next(found, None)


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))


def _found(pattern: str) -> Sequence[Any]:
    try:
        return find_files(pattern)
    except SourceError:
        return ()


def _by_part(paths: Sequence[str]) -> list[str]:
    """Propose a star in each part of the path that differs, as in y=*/m=*/part-0.csv."""
    split = [path.split("/") for path in paths]
    aligned = len({len(parts) for parts in split}) == 1 and not _has_query(paths)
    return ["/".join(_starred(part) for part in zip(*split, strict=True))] if aligned else []


def _below(paths: Sequence[str]) -> list[str]:
    """Propose the files of alike names in any folder below the common one."""
    folder = common_start([path.rpartition("/")[0] + "/" for path in paths]).rpartition("/")[0]
    names = _starred([path.rpartition("/")[2] for path in paths])
    return [] if _has_query(paths) else [f"{_escaped(folder)}/**/{names}" if folder else f"**/{names}"]


def _has_query(paths: Sequence[str]) -> bool:
    return any("://" in path and any(char in path for char in "*?[") for path in paths)


def _starred(names: Sequence[str]) -> str:
    start = common_start(names)
    end = common_start([name[len(start) :][::-1] for name in names])[::-1]
    same = len({*names}) == 1
    return _escaped(start) if same else f"{_escaped(start)}*{_escaped(end)}"


def _escaped(text: str) -> str:
    return re.sub(r"[*?\[]", lambda found: f"[{found.group()}]", text)


def common_start(texts: Sequence[str]) -> str:
    """Return the longest text that all start with."""
    least, most = min(texts), max(texts)
    return next((least[:at] for at, char in enumerate(least) if most[at] != char), least)


_PAGES: Final = {"<!doctype html": "a HTML page", "<html": "a HTML page", "<?xml": "XML"}


def refuse_page(place: Place, head: Head | None) -> None:
    """Raise InputError for a page or an XML file, as a download that went wrong leaves it."""
    start = "" if head is None else head.text[:200].lstrip("\ufeff \r\n\t").lower()
    kind = next((kind for mark, kind in _PAGES.items() if start.startswith(mark)), None)
    if kind is not None:
        raise InputError(f"{place.shown} is {kind}, no table: fetch the data file itself, or write its table as CSV")
