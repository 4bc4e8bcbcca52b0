"""The configuration that ``hnlm init`` writes, and the reason for each of its values."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hnlm_ray.discover.found import Comments, Understanding
from hnlm_ray.discover.measure import Core, Measured, allowed_share

FIRST_LOOK: Final = "laptop"
FIRST_LOOK_USERS = 300
_ENDINGS: Final = re.compile(
    r"(\.(ya?ml|csv|tsv|tab|txt|dat|jsonl|ndjson|json|parquet|pq|gz|gzip|bz2|xz|zip|inter|data))+$", re.IGNORECASE
)
_PLAIN: Final = {
    "name": "names the run in its results",
    "workspace": "the run's folder: tables, logs and results",
    "source": "which files are read, and what their columns mean",
    "interactions": "who chose what",
    "items": "what the items are; the language model reads it",
    "more_items": "further files about the same items: what the first lacks is added",
    "path": "as you gave it",
    "test_path": "the test rows of the split, written alike",
    "validation_path": "the validation rows of the split, written alike",
    "event": "what happened",
    "quantity": "how many; 0 or less is a return",
    "member": "the file inside the zip",
    "compression": "told by the file's first bytes",
    "columns": "which column holds what",
    "user": "who",
    "item": "what",
    "rating_values": "the number of each word; other words are bad lines",
    "time_format": "how the times are written",
    "reviews": "who wrote what of what",
    "metadata": "what the items are",
    "prepare": "which interactions count, and who stays",
}


@dataclass(frozen=True)
class Plan:
    """A configuration as a tree, with comments by path."""

    tree: dict[str, Any]
    comments: Comments


_GENERAL: Final = re.compile(
    r"(interactions?|ratings?|reviews?|data|dataset|events?|log|logs|train|training|test"
    r"|inter|u|orders?|transactions?|purchases?|clicks?|plays|feedback|part-?\d*|export)([-_ ]*\d*)"
)
"""Names of files that say nothing of the data: the folder's name says more."""
_NOWHERE: Final = re.compile(r"[./]*")


def name_of(path: str) -> str:
    """Make a run's name of a file's, or of its folder's where the file is called ratings, data or the like.

    'data/My Films.csv.gz' gives 'my-films', 'films/ratings.csv' and 'films/' give 'films'.
    """
    given = os.path.abspath(path) if _NOWHERE.fullmatch(path) else path
    parts = [part for part in given.split("/") if part]
    base = _ENDINGS.sub("", parts[-1]) if parts else ""
    general = not _plain_name(base) or _GENERAL.fullmatch(base.lower())
    if general and len(parts) > 1 and _plain_name(parts[-2]) and not _GENERAL.fullmatch(parts[-2].lower()):
        base = parts[-2]
    return _plain_name(base) or "data"


def _plain_name(base: str) -> str:
    plain = unicodedata.normalize("NFKD", base).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._-]+", "-", plain).strip("-._")[:60].strip("-._")


def make_plan(
    found: Understanding,
    measured: Measured,
    core: Core,
    *,
    bad_items: float,
    name: str,
    workspace: str,
    first_look: bool,
) -> Plan:
    """Put the sections together.

    Parameters
    ----------
    core
        The k-core to ask for, and what it leaves.
    bad_items
        Share of unusable lines of the item files, 0 to 1.
    first_look
        Start small, as on a machine without a GPU.
    """
    comments: Comments = {
        (key,): told for key, told in _PLAIN.items() if key in {"name", "workspace", "source", "prepare"}
    }
    source, told = _source(found, measured, bad_items)
    prepare, why = _prepare(found, measured, core, first_look=first_look)
    tree: dict[str, Any] = {"extends": FIRST_LOOK} if first_look else {}
    comments[("extends",)] = (
        "no GPU here: a first look in about half an hour; delete this line and max_users for all data"
    )
    tree |= {"name": name, "workspace": workspace, "source": source, "prepare": prepare}
    return Plan(tree, comments | _usual(tree) | found.comments | told | why)


def _source(found: Understanding, measured: Measured, bad_items: float) -> tuple[dict[str, Any], Comments]:
    share = allowed_share(measured.bad_share, bad_items)
    if share is None:
        return found.source, {}
    most = f" ({measured.worst})" if measured.bad else ""
    told = f"{measured.bad:,} of {measured.lines:,} lines of the interactions can't be used{most}"
    told += f", nor {bad_items:.1%} of the items' lines" if bad_items else ""
    told += "; above this share a run stops"
    kind = found.source["format"]
    rest = {key: value for key, value in found.source.items() if key != "format"}
    return {"format": kind, "max_bad_share": share, **rest}, {("source", "max_bad_share"): told}


def _prepare(
    found: Understanding, measured: Measured, core: Core, *, first_look: bool
) -> tuple[dict[str, Any], Comments]:
    prepare: dict[str, Any] = {}
    place = "prepare"
    comments: Comments = {}
    if found.min_rating is not None:
        prepare["min_rating"] = int(found.min_rating) if float(found.min_rating).is_integer() else found.min_rating
        comments[place, "min_rating"] = (
            f"from here on a rating says that the user likes it ({_liked_share(found, measured)})"
        )
    if first_look:
        prepare["max_users"] = FIRST_LOOK_USERS
        comments[place, "max_users"] = "a sample of the users, for the first look"
    prepare |= {"user_core": core.user_core, "item_core": core.item_core}
    left = f"about {core.users:,} users, {core.items:,} items and {core.positives:,} positives stay"
    comments[place, "user_core"] = "least positives of a user" + ("" if found.given else f": {left}")
    comments[place, "item_core"] = "least positives of an item" + (
        "" if measured.complete else "; estimated on the first rows"
    )
    prepare["split"], told = _split(found, measured)
    return prepare, comments | {(place, "split"): told}


def _split(found: Understanding, measured: Measured) -> tuple[dict[str, Any], str]:
    """Return the section ``split``; where the times span a month, the comment proposes the split by time."""
    if found.given:
        return {"method": "given", "validation": 0.1}, "train and test as the files have them"
    shares = {"validation": 0.1, "test": 0.2}
    if found.split == "time":
        return {"method": "time", **shares}, "the last fifth of all positives tests, the tenth before it chooses"
    if found.split == "leave_last_out":
        return {"method": "leave_last_out"}, "each user's last positive tests, the one before it chooses"
    told = "a tenth of each user's positives chooses, a fifth tests, the rest trains"
    days = spanned_days(measured)
    if days >= TIME_SPLIT_DAYS:
        later = "{method: time, validation: 0.1, test: 0.2} tests on what came later"
        told = f"{told}; the times span {days:,.0f} days: {later}"
    return {"method": "random", **shares}, told


TIME_SPLIT_DAYS: Final = 30
"""Days that times span from which on a split by time is proposed."""


def spanned_days(measured: Measured) -> float:
    """Return the days between the first and the last time, 0 without times."""
    times = measured.rows["timestamp"].drop_null()
    return float(np.ptp(times.to_numpy())) / 86_400 if len(times) else 0.0


def _liked_share(found: Understanding, measured: Measured) -> str:
    ratings = measured.rows["rating"].to_numpy()
    return f"{(ratings >= found.min_rating).mean():.0%} of the rows" if len(ratings) else "no rows"


def _usual(tree: Mapping[str, Any], at: tuple[str, ...] = ()) -> Comments:
    """Explain the keys that need no evidence."""
    comments: Comments = {}
    for key, value in tree.items():
        if key in _PLAIN:
            comments[*at, key] = _PLAIN[key]
        for place, child in _children(key, value):
            comments |= _usual(child, (*at, *place))
    return comments


def _children(key: str, value: object) -> list[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        return [((key,), value)]
    listed = value if isinstance(value, list) else []
    return [((key, str(at)), child) for at, child in enumerate(listed) if isinstance(child, Mapping)]
