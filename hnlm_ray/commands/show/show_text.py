"""How ``hnlm show`` prints a user or an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from hnlm_ray.base.text import shorten
from hnlm_ray.commands.output import say

Row = Mapping[str, Any]
_TITLE_CHARS = 80
_TEXT_CHARS = 2000
_HISTORY_SHOWN = 20
_UNUSED = {
    "ungrounded": "no item of the catalogue is like it",
    "training_positive": "it names an item that they like, and no other is near",
}
_SOURCES = {
    "exact": "named by title",
    "fuzzy": "named by a title like it",
    "nearest": "no title of it, nearest by vector",
    "neighbour": "next to it by vector",
    "embedding": "nearest to the fine-tuned LLM's vector",
}


def title(item: Row) -> str:
    """Name an item by its title, else by its id."""
    return shorten(item["title"] or item["item_id"], _TITLE_CHARS)


def show_user(console: Console, user: Row) -> None:
    """Print a user."""
    say(console, f"user {user['user_id']} (index {user['user']})")
    _show_profile(console, user["profile"], outdated="user_profiles" in user["left_out"])
    say(console, f"training items, the latest first ({len(user['history'])}):")
    for item in user["history"][:_HISTORY_SHOWN]:
        rating = "" if item["rating"] is None else f"  rated {item['rating']:g}"
        said = f'  "{shorten(item["review"], _TITLE_CHARS)}"' if item["review"] else ""
        say(console, f"  {title(item)}{rating}{said}")
    if len(user["history"]) > _HISTORY_SHOWN:
        say(console, f"  ... and {len(user['history']) - _HISTORY_SHOWN} more (--json lists all)")
    _show_judged(console, user["judgements"])
    say(console, f"semantic negatives ({len(user['semantic_negatives'])}):")
    for negative in user["semantic_negatives"]:
        _show_negative(console, negative)
    if user["vector_negatives"]:
        say(console, f"pairs with a vector alone, and the items nearest to it ({len(user['vector_negatives'])}):")
    for negative in user["vector_negatives"]:
        say(console, f"  likes {title(negative['positive'])}")
        _show_grounded(console, negative)
    _show_pool(console, user["pool"])
    _show_recommendations(console, user["recommendations"])
    _show_left_out(console, user["left_out"])


def _show_judged(console: Console, judged: Sequence[Row]) -> None:
    if judged:
        say(console, f"candidates that the LLM judged ({len(judged)}):")
    for item in judged:
        reason = f", because: {item['reason']}" if item["reason"] else ""
        liked = "; a held-out row says that they like it" if item["held_out"] else ""
        say(console, f"  {title(item)}: {item['verdict'] or 'no verdict'}{reason}{liked}")


def _show_pool(console: Console, pool: Mapping[str, int]) -> None:
    say(
        console,
        f"pairs to train on: {pool['own']} with a negative of their own, {pool['borrowed']} with that of the nearest "
        f"pair, {pool['fallback']} with sampled ones alone",
    )


def _show_recommendations(console: Console, recommendations: Sequence[Row]) -> None:
    say(console, f"recommendations, by score ({len(recommendations)}):")
    for item in recommendations:
        say(console, f"  {item['rank']:>3}  {item['score']:8.4f}  {title(item)}")


def _show_negative(console: Console, negative: Row) -> None:
    answer = f'"{negative["negative"]}"{_mended(negative)}' if negative["status"] == "ok" else _outcome(negative)
    say(console, f"  likes {title(negative['positive'])}; the LLM's hard negative: {answer}")
    if negative["reasoning"]:
        say(console, f"    because: {negative['reasoning']}")
    if negative["verdict"] in _UNUSED:
        say(console, f"    not used: {_UNUSED[negative['verdict']]}")
    _show_grounded(console, negative)


def _show_grounded(console: Console, negative: Row) -> None:
    for item in negative["grounded"]:
        liked = "; a false negative: a held-out row says that they like it" if item["false_negative"] else ""
        source = _SOURCES.get(item["source"], item["source"])
        say(console, f"    -> {title(item)} ({source}, weight {item['weight']:.2f}){liked}")


def show_item(console: Console, item: Row) -> None:
    """Print an item."""
    say(console, f"item {item['item_id']} (index {item['item']}): {title(item)}")
    for name, value in item["attributes"].items():
        say(console, f"  {name}: {shorten(value, _TEXT_CHARS)}")
    if item["text"]:
        say(console, f"  {shorten(item['text'], _TEXT_CHARS)}")
    _show_profile(console, item["profile"], outdated="item_profiles" in item["left_out"])
    served = item["hard_negative_for"]
    say(console, f"trained on by {item['training_users']} users")
    say(console, f"a hard negative for {served['pairs']} pairs of {served['users']} users")
    say(console, f"recommended to {item['recommended_to']} users")
    _show_left_out(console, item["left_out"])


def _show_left_out(console: Console, tables: Sequence[str]) -> None:
    if tables:
        say(console, f"left out, because made from other data: {', '.join(tables)} (`hnlm run` makes them anew)")


def _show_profile(console: Console, profile: Row | None, *, outdated: bool) -> None:
    if profile is None:
        why = "made from other data" if outdated else "not written yet"
        say(console, f"profile: {why} (`hnlm run` writes it)")
        return
    say(console, f"profile ({profile['model']}, {profile['prompt_version']}){_mended(profile)}:")
    say(console, f"  {profile['summary']}" if profile["status"] == "ok" else f"  {_outcome(profile)}")
    if profile["reasoning"]:
        say(console, f"  because: {profile['reasoning']}")


def _mended(row: Row) -> str:
    """Say of a usable answer that it was mended."""
    return f" ({row['error']})" if row["status"] == "ok" and row["error"] else ""


def _outcome(row: Row) -> str:
    detail = f" ({row['error']})" if row["error"] else ""
    return "none: the model could not tell" if row["status"] == "none" else f"failed: {row['status']}{detail}"
