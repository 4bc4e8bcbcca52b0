"""Values of columns of made-up tables: ids, ratings and times of which it is known what they mean."""

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

FIRST = [
    "Anna",
    "Jürgen",
    "Chloé",
    "José",
    "Emma",
    "Luca",
    "Zoë",
    "Paul",
    "Marie",
    "Søren",
    "Inés",
    "Max",
    "Léa",
    "Tom",
]
LAST = ["Müller", "Smith", "Dubois", "García", "Rossi", "Weiß", "Jones", "Lefèvre", "Núñez", "Brandt", "Moreau", "Hill"]
THINGS = ["Lamp", "Tasse", "Stuhl", "Livre", "Mug", "Silla", "Regal", "Chair", "Vase", "Kissen", "Teller", "Bougie"]
LOOKS = ["rot", "blue", "grand", "klein", "verde", "vintage", "noir", "weiß", "classic", "deluxe", "rond", "doble"]


def _uuid(draw: random.Random) -> str:
    return str(uuid.UUID(int=draw.getrandbits(128), version=4))


def _hex(draw: random.Random) -> str:
    return f"{draw.getrandbits(64):016x}"


def _code(letters: int, digits: int) -> Callable[[random.Random], str]:
    def make(draw: random.Random) -> str:
        return "".join(draw.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=letters)) + "".join(
            draw.choices("0123456789", k=digits)
        )

    return make


def _asin(draw: random.Random) -> str:
    return "B0" + "".join(draw.choices("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", k=8))


def _email(draw: random.Random) -> str:
    name = f"{draw.choice(FIRST)}.{draw.choice(LAST)}{draw.randrange(99)}".lower()
    return f"{name}@example.{draw.choice(['com', 'de', 'fr'])}"


def _person(draw: random.Random) -> str:
    first, last = draw.choice(FIRST), draw.choice(LAST)
    return f"{first} {last} {draw.choice('ABCDEFGHKLMRSTW')}."


def _thing(draw: random.Random) -> str:
    return f"{draw.choice(THINGS)} {draw.choice(LOOKS)} {draw.randrange(10, 400)}"


def _numbered(form: str, low: int, high: int) -> Callable[[random.Random], str]:
    return lambda draw: form.format(draw.randrange(low, high))


BOTH_IDS = {
    "big ints": _numbered("{}", 50_000_000, 4_000_000_000),
    "middle ints": _numbered("{}", 100_000, 9_999_999),
    "uuid": _uuid,
    "hex": _hex,
    "zero-padded": _numbered("{:07d}", 1, 99_999),
}
USER_IDS = {
    **BOTH_IDS,
    "email": _email,
    "person": _person,
    "prefix": _numbered("U{:05d}", 1, 90_000),
    "letters": _code(3, 6),
    "amazon": lambda draw: "A" + "".join(draw.choices("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", k=13)),
}
ITEM_IDS = {
    **BOTH_IDS,
    "asin": _asin,
    "ean": _numbered("40{:011d}", 1, 10**10),
    "code": _numbered("SKU-{:04d}", 1, 9999),
    "letters": _code(2, 4),
    "slug": lambda draw: _thing(draw).replace(" ", "-").lower(),
    "thing": _thing,
}


def ids(draw: random.Random, side: str, count: int) -> tuple[str, list[str]]:
    """Return a kind of id and ``count`` different ids of it."""
    kinds = USER_IDS if side == "user" else ITEM_IDS
    kind = draw.choice(["small ints", "small ints", "offset ints", *kinds])
    if kind in {"small ints", "offset ints"}:
        start = 1 if kind == "small ints" else draw.randrange(100, 90_000)
        return kind, [str(start + at) for at in range(count)]
    made: dict[str, None] = {}
    while len(made) < count:
        made[kinds[kind](draw)] = None
    return kind, list(made)


@dataclass(frozen=True)
class Ratings:
    """A scale and how it is written.

    Attributes
    ----------
    texts
        Each rating as written, from the worst to the best.
    values
        The numbers that the texts mean; a reader may give a fixed multiple of ``factors``.
    liked
        Ratings from here on are positives, whoever chooses.
    disliked
        Ratings up to here are none.
    comma
        Written with a decimal comma.
    sentinels
        What may stand for "not rated" on this scale.
    """

    kind: str
    texts: Sequence[str]
    values: Sequence[float]
    liked: float
    disliked: float
    factors: tuple[float, ...] = (1.0,)
    words: bool = False
    comma: bool = False
    sentinels: tuple[str, ...] = ("99", "-1", "999")


def _steps(low: float, high: float, step: float) -> list[float]:
    return [low + at * step for at in range(round((high - low) / step) + 1)]


def _fixed(places: int, comma: bool) -> Callable[[float], str]:
    return lambda value: f"{value:.{places}f}".replace(".", "," if comma else ".")


_WORDS = {
    "en": [
        ("dislike", "like"),
        ("no", "yes"),
        ("false", "true"),
        ("rotten", "fresh"),
        ("False", "True"),
        ("down", "up"),
    ],
    "de": [("nein", "ja"), ("schlecht", "gut")],
    "fr": [("non", "oui"), ("mauvais", "bon")],
    "es": [("no", "sí"), ("malo", "bueno")],
    "ja": [("いいえ", "はい")],
    "zh": [("否", "是"), ("不喜欢", "喜欢")],
}
_OUT_OF = {
    "en": ("{} stars", "{}.0 out of 5 stars", "{} out of 5"),
    "de": ("{} Sterne", "{} von 5", "{},0 von 5 Sternen"),
    "fr": ("{} étoiles", "{} sur 5", "{}/5"),
    "es": ("{} estrellas", "{} de 5"),
}
_GRIDS = {
    "1 to 5": ((1, 5, 1), 0, 4, 3, ("99", "-1", "255", "999", "0")),
    "1.0 to 5.0": ((1, 5, 1), 1, 4, 3, ("99", "-1", "0")),
    "half steps": ((0.5, 5, 0.5), 1, 4.5, 2.5, ("99", "-1", "0")),
    "shares": ((0, 1, 0.05), 2, 0.8, 0.5, ("-1",)),
    "0 to 10": ((0, 10, 1), 0, 8, 5, ("99", "-1", "255", "999")),
    "1 to 10": ((1, 10, 1), 0, 8, 5, ("99", "-1", "255", "999", "0")),
    "0 to 100": ((0, 100, 1), 0, 80, 50, ("255", "-1", "999")),
    "0 or 1": ((0, 1, 1), 0, 1, 0, ("99", "255")),  # -1 beside 0 and 1 may be a dislike; no positive either way
    "1 to 3": ((1, 3, 1), 0, 3, 1, ("99", "0", "9")),
    "1 to 7": ((1, 7, 1), 0, 6, 4, ("99", "-1")),
    "0 to 5": ((0, 5, 1), 0, 4, 2, ("99", "-1", "255", "999")),
    "0 to 4": ((0, 4, 1), 0, 4, 2, ("99", "-1")),
}
"""Least, greatest and step; digits behind the mark; liked from and disliked up to; what stands for "not rated"."""
_FINE = {"decimals to 10": (1, 10, 8, 5, ("99", "-1")), "-10 to 10": (-9.95, 9.96, 7, 0, ("99", "999"))}
"""Scales with many steps of two digits."""
_WEIGHTS = {
    "1 to 5": 26, "1.0 to 5.0": 8, "half steps": 12, "0 to 10": 6, "1 to 10": 8, "0 to 100": 5, "decimals to 10": 8,
    "-10 to 10": 3, "0 or 1": 7, "words": 6, "out of": 5, "4/5": 4, "stars": 3, "percent": 2, "1 to 3": 2, "1 to 7": 2,
    "0 to 5": 3, "0 to 4": 1, "shares": 2,
}  # fmt: skip


def ratings(draw: random.Random, tongue: str) -> Ratings:
    """Draw a scale; a table in a language with decimal commas has them in four of five cases."""
    comma = tongue in {"de", "fr", "es"} and draw.random() < 0.8
    kind = draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    return _scale(kind, draw, tongue, comma=comma)


def _scale(kind: str, draw: random.Random, tongue: str, *, comma: bool) -> Ratings:
    if kind in _GRIDS:
        (low, high, step), places, liked, disliked, sentinels = _GRIDS[kind]
        steps = _steps(low, high, step)
        texts = list(map(_fixed(places, comma), steps))
        return Ratings(kind, texts, steps, liked, disliked, comma=comma and places > 0, sentinels=sentinels)
    if kind in _FINE:
        low, high, liked, disliked, sentinels = _FINE[kind]
        steps = sorted({round(draw.uniform(low, high), 2) for _ in range(90)} | {low, high})
        return Ratings(
            kind, list(map(_fixed(2, comma), steps)), steps, liked, disliked, comma=comma, sentinels=sentinels
        )
    if kind == "words":
        return Ratings(kind, draw.choice(_WORDS[tongue]), (0, 1), 1, 0, words=True, sentinels=())
    if kind == "percent":
        form = draw.choice(["{}%", "{} %"])
        return Ratings(
            kind, [form.format(at) for at in range(0, 101, 5)], range(0, 101, 5), 80, 50, (1.0, 0.01), sentinels=()
        )
    if kind == "stars":
        texts = draw.choice([["★" * at + "☆" * (5 - at) for at in range(1, 6)], ["★" * at for at in range(1, 6)]])
        return Ratings(kind, texts, range(1, 6), 4, 3, sentinels=())
    form = "{}/5" if kind == "4/5" else draw.choice(_OUT_OF.get(tongue, ("{} / 5", "{}/5")))
    return Ratings(kind, [form.format(at) for at in range(1, 6)], range(1, 6), 4, 3, (1.0, 0.2), sentinels=())


@dataclass(frozen=True)
class Clock:
    """How times are written: the text of one, and to how many seconds it is exact."""

    kind: str
    write: Callable[[datetime], str]
    exact: int = 1
    numbers: bool = False
    zero: str = ""
    """What stands for an unknown time."""


def _format(pattern: str) -> Callable[[datetime], str]:
    return lambda when: when.strftime(pattern)


def _plain_days(pattern: str) -> Callable[[datetime], str]:
    """Write days and months without a leading zero, as spreadsheets do."""
    return lambda when: when.strftime(pattern.replace("%d", str(when.day)).replace("%m", str(when.month)))


_BERLIN = timezone(timedelta(hours=2), "CEST")


def _javascript(when: datetime) -> str:
    return when.astimezone(_BERLIN).strftime("%a %b %d %Y %H:%M:%S GMT+0200 (Central European Summer Time)")


_DAY = 86_400
_ISO = (
    Clock("ISO with T", _format("%Y-%m-%dT%H:%M:%S")),
    Clock("ISO with Z", _format("%Y-%m-%dT%H:%M:%SZ"), zero="1970-01-01T00:00:00Z"),
    Clock("ISO with zone", lambda when: when.astimezone(_BERLIN).isoformat()),
    Clock("ISO with milliseconds", lambda when: when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.second * 16:03d}Z"),
    Clock("ISO with a blank", _format("%Y-%m-%d %H:%M:%S"), zero="0000-00-00 00:00:00"),
    Clock("ISO minutes", _format("%Y-%m-%d %H:%M"), 60),
    Clock("ISO day", _format("%Y-%m-%d"), _DAY, zero="1970-01-01"),
)
_EPOCHS = (
    Clock("seconds", lambda when: str(int(when.timestamp())), numbers=True, zero="0"),
    Clock("milliseconds", lambda when: str(int(when.timestamp()) * 1000 + when.second), numbers=True, zero="0"),
    Clock("seconds with .0", lambda when: f"{when.timestamp():.1f}", numbers=True, zero="0.0"),
    Clock("microseconds", lambda when: str(int(when.timestamp()) * 10**6 + when.second), numbers=True, zero="0"),
)
_DIGITS = (
    Clock("YYYYMMDD", _format("%Y%m%d"), _DAY, numbers=True),
    Clock("YYYYMMDDHHMM", _format("%Y%m%d%H%M"), 60, numbers=True),
    Clock("YYYYMMDDHHMMSS", _format("%Y%m%d%H%M%S"), numbers=True),
)
_WORDED = (
    Clock("JavaScript", _javascript),
    Clock("Twitter", _format("%a %b %d %H:%M:%S +0000 %Y")),
    Clock("mail", _format("%a, %d %b %Y %H:%M:%S +0000")),
    Clock("month in words", _format("%b %d, %Y"), _DAY),
    Clock("month in words", _format("%d %B %Y"), _DAY),
)
_LOCAL = {
    "en": (
        Clock("US day", _format("%m/%d/%Y"), _DAY),
        Clock("US minutes", _format("%m/%d/%Y %H:%M"), 60),
        Clock("US noon", _format("%m/%d/%Y %I:%M %p"), 60),
        Clock("US without zeros", _plain_days("%m/%d/%Y"), _DAY),
        Clock("British day", _format("%d/%m/%Y"), _DAY),
    ),
    "de": (
        Clock("German day", _format("%d.%m.%Y"), _DAY),
        Clock("German minutes", _format("%d.%m.%Y %H:%M"), 60),
        Clock("German seconds", _format("%d.%m.%Y %H:%M:%S")),
        Clock("German without zeros", _plain_days("%d.%m.%Y"), _DAY),
        Clock("German short year", _format("%d.%m.%y"), _DAY),
    ),
    "fr": (
        Clock("French day", _format("%d/%m/%Y"), _DAY),
        Clock("French minutes", _format("%d/%m/%Y %H:%M"), 60),
        Clock("French hours", _format("%d/%m/%Y %Hh%M"), 60),
        Clock("French dashes", _format("%d-%m-%Y"), _DAY),
    ),
    "es": (
        Clock("Spanish day", _format("%d/%m/%Y"), _DAY),
        Clock("Spanish seconds", _format("%d/%m/%Y %H:%M:%S")),
        Clock("Spanish dashes", _format("%d-%m-%Y"), _DAY),
    ),
    "ja": (Clock("Japanese", _format("%Y年%m月%d日"), _DAY), Clock("slashes", _format("%Y/%m/%d %H:%M"), 60)),
    "zh": (Clock("Chinese", _format("%Y年%m月%d日"), _DAY), Clock("slashes", _format("%Y/%m/%d %H:%M:%S"))),
}


def clock(draw: random.Random, tongue: str) -> Clock:
    group = draw.choices((_ISO, _EPOCHS, _DIGITS, _WORDED, _LOCAL[tongue]), (30, 24, 8, 6, 32))[0]
    return draw.choice(group)


def read_back(when: datetime, form: Clock) -> int:
    """Return the seconds since 1970 that a reader should give."""
    seconds = int(when.timestamp())
    return seconds - seconds % form.exact


def moment(draw: random.Random, start: int, span: int) -> datetime:
    return datetime.fromtimestamp(start + draw.randrange(span), UTC)
