"""Tables as people export them, made up by a seed, of which it is known what each row says."""

import csv
import gzip
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import made_columns
import made_names
from made_columns import Clock, Ratings

ODD_SHARE, NAMELESS_SHARE = 0.4, 0.02
OTHER_NAMES = 10_000
"""From this seed on every second table has names of columns that the others lack."""
MISSING = ["NA", "NULL", "nan", "\\N", "-", "?", "n/a", "#N/A", "", "None", "N/A", "null"]
NO_ID = ["NULL", "nan", "\\N", "NA", "", "None", "null"]
_DAY = 86_400


@dataclass(frozen=True)
class Row:
    """What a row says; an unsure one may also be left out, and one that is no row at all has no rating and no time."""

    user: str
    item: str
    rating: float | None = None
    time: int | None = None
    sure: bool = True
    junk: bool = False
    unrated_or: float | None = None
    """The rating that a reader may give instead of none: 0 or -1, which can be the scale's least or "not rated"."""


@dataclass
class Column:
    """A column as written: its role in :data:`made_names.NAMES`, its name and each row's text."""

    role: str
    name: str
    cells: list[str]


@dataclass(frozen=True)
class Made:
    """A file and what it means.

    Attributes
    ----------
    names
        The columns of user, item, rating and time as the readers call them; without header by position.
    rows
        What each line says, in the file's order.
    traits
        What is special about it, for a table of failures.
    odd
        It holds cells or lines that fit no column.
    """

    seed: int
    file: str
    data: bytes
    names: dict[str, str]
    rows: Sequence[Row]
    scale: Ratings | None
    clock: Clock | None
    traits: tuple[str, ...]
    odd: bool


@dataclass
class _Draft:
    """A table that is not written yet."""

    draw: random.Random
    tongue: str
    dress: str
    scale: Ratings | None
    clock: Clock | None
    others: bool
    columns: list[Column] = field(default_factory=list)
    rows: list[Row | None] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    traits: list[str] = field(default_factory=list)
    lines: dict[int, list[str]] = field(default_factory=dict)
    """Lines that stand before a row (or at the end) and are no rows, by its position."""

    def column(self, role: str) -> Column | None:
        return next((column for column in self.columns if column.role == role), None)

    def add(self, role: str, cells: list[str]) -> None:
        for _ in range(9):
            name = made_names.named(self.draw, self.tongue, role, self.dress, others=self.others)
            if name.casefold() not in {column.name.casefold() for column in self.columns}:
                self.columns.append(Column(role, name, cells))
                return


def made_table(seed: int) -> Made:
    """Return the table of a seed."""
    draw = random.Random(seed)
    header = draw.random() >= NAMELESS_SHARE
    tongue = made_names.language(draw)
    scale = made_columns.ratings(draw, tongue) if draw.random() < 0.7 else None
    clock = made_columns.clock(draw, tongue) if draw.random() < 0.8 else None
    draft = _Draft(draw, tongue, made_names.style(draw), scale, clock, others=seed >= OTHER_NAMES and seed % 2 == 1)
    draft.traits += [
        tongue,
        "other names" if draft.others else "usual names",
        f"names: {draft.dress}",
        f"rating: {scale.kind if scale else 'none'}",
    ]
    draft.traits += [f"time: {clock.kind if clock else 'none'}", "header" if header else "no header"]
    _interactions(draft)
    if header:
        for make in draw.sample(_FURTHER, draw.choice((0, 1, 1, 2, 3, 4, 6))):
            make(draft)
    odd = draw.random() < ODD_SHARE and _spoil(draft, header=header)
    _order_columns(draft, header=header)
    return _written(seed, draft, header=header, odd=odd)


def _interactions(draft: _Draft) -> None:
    """Draw visits of users, each of one time and one or more items, and the columns of the four roles."""
    draw = draft.draw
    users, items, wanted = draw.randrange(20, 60), draw.randrange(12, 80), draw.randrange(150, 300)
    (user_kind, user_ids), (item_kind, item_ids) = (
        made_columns.ids(draw, side, count) for side, count in (("user", users), ("item", items))
    )
    draft.traits += [f"user: {user_kind}", f"item: {item_kind}", "more items" if items > users else "more users"]
    orders = draw.random() < 0.25
    start, span = draw.randrange(1_060_000_000, 1_690_000_000), draw.choice((60, 200, 900)) * _DAY
    taste = [draw.gauss(0.65, 0.2) for _ in range(items)]
    user_weights, item_weights = ([1 / (at + 4) for at in range(count)] for count in (users, items))
    visits, made = [], 0
    while made < wanted:
        size = draw.choice((1, 1, 2, 3, 4)) if orders else 1
        user = draw.choices(range(users), user_weights)[0]
        chosen = list(dict.fromkeys(draw.choices(range(items), item_weights, k=size)))
        visits.append((user, made_columns.moment(draw, start, span), chosen))
        made += len(chosen)
    visits.sort(key=draw.choice((lambda visit: visit[0], lambda visit: visit[1], lambda visit: draw.random())))
    flat = [(at, user, item, when) for at, (user, when, chosen) in enumerate(visits) for item in chosen]
    draft.add("user", [user_ids[user] for _, user, _, _ in flat])
    draft.add("item", [item_ids[item] for _, _, item, _ in flat])
    rated = [_rating(draft, taste[item]) for _, _, item, _ in flat]
    draft.moments = [when for *_, when in flat]
    if draft.scale:
        yes_or_no = draft.scale.words or draft.scale.kind == "0 or 1"
        draft.add(
            "approval" if yes_or_no and draw.random() < 0.6 else "rating", [draft.scale.texts[at] for at in rated]
        )
        draft.columns[-1].role = "rating"
    if draft.clock:
        draft.add("time", [draft.clock.write(when) for when in draft.moments])
    draft.rows = [
        Row(
            user_ids[user],
            item_ids[item],
            float(draft.scale.values[at]) if draft.scale else None,
            made_columns.read_back(when, draft.clock) if draft.clock else None,
        )
        for at, (_, user, item, when) in zip(rated, flat, strict=True)
    ]
    if orders:
        _orders(draft, [visit for visit, *_ in flat])


def _rating(draft: _Draft, taste: float) -> int:
    steps = len(draft.scale.texts) if draft.scale else 1
    return min(steps - 1, max(0, int(draft.draw.gauss(taste, 0.25) * steps)))


def _orders(draft: _Draft, visits: Sequence[int]) -> None:
    form, first = draft.draw.choice(("{}", "R-{}", "2019-{:05d}", "{:08d}")), draft.draw.randrange(10**5)
    draft.add("order", [form.format(first + visit) for visit in visits])
    draft.traits.append("with order")


def _fact(draft: _Draft, side: str, make: Callable[[], str]) -> list[str]:
    """Return a fact of each row's user or item."""
    told: dict[str, str] = {}
    keys = [getattr(row, side) for row in draft.rows]
    return [told.setdefault(key, told.get(key) or make()) for key in keys]


def _each(draft: _Draft, make: Callable[[], str]) -> list[str]:
    return [make() for _ in draft.rows]


def _money(draft: _Draft, low: float, high: float) -> str:
    comma = draft.tongue in {"de", "fr", "es"}
    return f"{draft.draw.uniform(low, high):.2f}".replace(".", "," if comma else ".")


def _day(draft: _Draft, year: int) -> str:
    when = made_columns.moment(draft.draw, (year - 1970) * 31_556_952, 3 * 365 * _DAY)
    form = {"de": "%d.%m.%Y", "fr": "%d/%m/%Y", "es": "%d/%m/%Y", "en": "%m/%d/%Y"}.get(draft.tongue, "%Y/%m/%d")
    return when.strftime(form)


_SAID = [
    "I",
    "think",
    "this",
    "is",
    "really",
    "not bad",
    "at all",
    "but",
    "the box",
    "was",
    "torn",
    "und kam",
    "zu spät",
    "très",
    "joli",
    "pero",
    "caro",
]
_COUNTRIES = ["DE", "FR", "ES", "United Kingdom", "Österreich", "Schweiz", "US", "Italia"]
_FURTHER: list[Callable[[_Draft], None]] = [
    lambda d: d.add("row", [str(at) for at in range(1, len(d.rows) + 1)]),
    lambda d: d.add("price", _fact(d, "item", lambda: _money(d, 2, 90))),
    lambda d: d.add("price", _each(d, lambda: _money(d, 2, 400))),
    lambda d: d.add("quantity", _each(d, lambda: str(d.draw.choice((1, 1, 1, 2, 2, 3, 6, 12))))),
    lambda d: d.add("country", _fact(d, "user", lambda: d.draw.choice(_COUNTRIES))),
    lambda d: d.add("text", _each(d, lambda: " ".join(d.draw.choices(_SAID, k=d.draw.randrange(6, 20))))),
    lambda d: d.add("flag", _each(d, lambda: str(d.draw.randrange(2)))),
    lambda d: d.add("event", ["purchase"] * len(d.rows)),
    lambda d: d.add("title", _fact(d, "item", lambda: made_columns.ITEM_IDS["thing"](d.draw))),
    lambda d: d.add("category", _fact(d, "item", lambda: d.draw.choice(made_columns.THINGS))),
    lambda d: d.add("stock", _each(d, lambda: str(d.draw.randrange(250)))),
    lambda d: d.add("payment", _each(d, lambda: d.draw.choice(("PayPal", "VISA", "Rechnung", "SEPA")))),
    lambda d: d.add("age", _fact(d, "user", lambda: str(d.draw.randrange(16, 90)))),
    lambda d: d.add("gender", _fact(d, "user", lambda: d.draw.choice("mwfd"))),
    lambda d: d.add("mean", _fact(d, "item", lambda: _money(d, 1, 5))),
    lambda d: d.add("votes", _each(d, lambda: str(int(d.draw.expovariate(0.2))))),
    lambda d: d.add("joined", _fact(d, "user", lambda: _day(d, 1999))),
    lambda d: d.add("released", _fact(d, "item", lambda: _day(d, 1990))),
    lambda d: d.add("discount", _each(d, lambda: str(d.draw.choice((0, 0, 0, 10, 15, 20))))),
]


def _spoil(draft: _Draft, *, header: bool) -> bool:
    """Put cells and lines into the table that fit no column; tell whether any was put."""
    fitting = [(spoil, weight) for spoil, weight, needs in _SPOILERS if all(need(draft) for need in needs) or not needs]
    fitting = [one for one in fitting if header or one[0] is not _repeated_header]
    first = draft.draw.choices(*zip(*fitting, strict=True))[0]
    second = draft.draw.choices(*zip(*fitting, strict=True))[0] if draft.draw.random() < 0.3 else first
    for spoil in dict.fromkeys((first, second)):
        spoil(draft)
    return True


def _some(draft: _Draft, most: float = 0.05, least: float = 0.0) -> list[int]:
    """Return some rows, at least one and at most a share of them."""
    count = max(1, int(len(draft.rows) * draft.draw.uniform(least, most)))
    there = [at for at, row in enumerate(draft.rows) if row is not None]
    return draft.draw.sample(there, min(count, len(there)))


def _rated(draft: _Draft) -> bool:
    return draft.scale is not None


def _timed(draft: _Draft) -> bool:
    return draft.clock is not None


def _unsay(draft: _Draft, at: int, **changes: float | None) -> None:
    """Take something of what a row says: it may be left out as well."""
    if draft.rows[at] is not None:
        draft.rows[at] = replace(draft.rows[at], sure=False, **changes)


def _missing_rating(draft: _Draft) -> None:
    word = draft.draw.choice(MISSING)
    for at in _some(draft):
        draft.column("rating").cells[at] = word
        _unsay(draft, at, rating=None)
    draft.traits.append(f"odd: {word!r} as a rating")


def _missing_time(draft: _Draft) -> None:
    word = draft.draw.choice(MISSING)
    for at in _some(draft):
        draft.column("time").cells[at] = word
        _unsay(draft, at, time=None)
    draft.traits.append(f"odd: {word!r} as a time")


def _missing_id(draft: _Draft) -> None:
    side, word = draft.draw.choice(("user", "item")), draft.draw.choice(NO_ID)
    for at in _some(draft):
        draft.column(side).cells[at] = word
        draft.rows[at] = None  # no row at all
    draft.traits.append(f"odd: {word!r} as a {side}")


def _sentinel_rating(draft: _Draft) -> None:
    word = draft.draw.choice(draft.scale.sentinels)
    comma = draft.scale.comma and draft.draw.random() < 0.5
    for at in _some(draft, 0.3, 0.02):
        draft.column("rating").cells[at] = word + ",0" * comma
        least = word == "0" or (word == "-1" and draft.scale.kind == "0 or 1")
        _unsay(draft, at, rating=None, unrated_or=float(word) if least else None)
    draft.traits.append(f"odd: {word} for not rated")


def _sentinel_time(draft: _Draft) -> None:
    for at in _some(draft):
        draft.column("time").cells[at] = draft.clock.zero
        _unsay(draft, at, time=None)
    draft.traits.append(f"odd: {draft.clock.zero} for no time")


def _typo(draft: _Draft) -> None:
    at = draft.draw.randrange(len(draft.rows))
    draft.column("rating").cells[at] = draft.draw.choice(("55", "44", "33"))
    _unsay(draft, at, rating=None)
    draft.traits.append("odd: a typo of a rating")


def _repeated_header(draft: _Draft) -> None:
    for _ in range(draft.draw.randrange(1, 3)):
        draft.lines[draft.draw.randrange(5, len(draft.rows))] = ["header"]
    draft.traits.append("odd: repeated header")


def _total(draft: _Draft) -> None:
    draft.lines[len(draft.rows)] = [draft.draw.choice(("Total", "Summe", "Gesamt", "TOTAL"))]
    draft.traits.append("odd: total row")


def _blank_lines(draft: _Draft) -> None:
    draft.lines |= {at: [] for at in _some(draft, 0.02)}
    draft.traits.append("odd: blank lines")


def _missing_elsewhere(draft: _Draft) -> None:
    others = [column for column in draft.columns if column.role not in {"user", "item", "rating", "time"}]
    for column in others:
        word = draft.draw.choice(MISSING)
        for at in _some(draft):
            column.cells[at] = word
    draft.traits.append("odd: missing facts")


_SPOILERS: list[tuple[Callable[[_Draft], None], int, tuple[Callable[[_Draft], bool], ...]]] = [
    (_missing_rating, 30, (_rated,)),
    (_missing_time, 18, (_timed,)),
    (_missing_id, 12, ()),
    (_sentinel_rating, 10, (_rated, lambda draft: bool(draft.scale.sentinels))),
    (_sentinel_time, 8, (_timed, lambda draft: bool(draft.clock.zero))),
    (_typo, 6, (_rated, lambda draft: draft.scale.kind in {"1 to 5", "1.0 to 5.0", "half steps", "0 to 5"})),
    (_repeated_header, 6, ()),
    (_total, 5, ()),
    (_blank_lines, 5, ()),
    (_missing_elsewhere, 12, ()),
]


def _order_columns(draft: _Draft, *, header: bool) -> None:
    """Without names the user stands before the item, and the rating before the time."""
    if header and draft.draw.random() < 0.6:
        draft.draw.shuffle(draft.columns)
    elif not header and draft.draw.random() < 0.15 and draft.column("time"):
        draft.columns.insert(0, draft.columns.pop())


def _written(seed: int, draft: _Draft, *, header: bool, odd: bool) -> Made:
    lines, rows = _lines(draft, header=header)
    file, data = _encoded(draft, lines, rows)
    names = {column.role: column.name if header else f"column_{at}" for at, column in enumerate(draft.columns, start=1)}
    roles = {role: names[role] for role in ("user", "item", "rating", "time") if role in names}
    return Made(seed, file, data, roles, rows, draft.scale, draft.clock, tuple(draft.traits), odd)


def _lines(draft: _Draft, *, header: bool) -> tuple[list[list[str]], list[Row]]:
    """Return the file's lines and what they say, rows and what is none in one order."""
    names = [column.name for column in draft.columns]
    said = {column.role: column.name for column in draft.columns}
    lines, rows = [names] if header else [], []
    for at in range(len(draft.rows) + 1):
        if at in draft.lines:
            told = draft.lines[at]
            lines.append(names if told == ["header"] else _total_line(draft, told[0]) if told else [])
            rows += [Row(said["user"], said["item"], sure=False, junk=True)] if told == ["header"] else []
        if at < len(draft.rows):
            lines.append([column.cells[at] for column in draft.columns])
            rows += [draft.rows[at]] if draft.rows[at] is not None else []
    return lines, rows


def _total_line(draft: _Draft, word: str) -> list[str]:
    """Add up a column of numbers behind a word in the first column."""
    sums = {"rating", "price", "quantity"}
    return [
        word if at == 0 else str(draft.draw.randrange(1000, 9999)) if column.role in sums else ""
        for at, column in enumerate(draft.columns)
    ]


def _encoded(draft: _Draft, lines: Sequence[Sequence[str]], rows: Sequence[Row]) -> tuple[str, bytes]:
    draw = draft.draw
    local = draft.tongue in {"de", "fr", "es"}
    separator = draw.choices(
        (",", ";", "\t", "|", "::", " | ", "||"), (20 if local else 50, 40 if local else 10, 15, 8, 2, 1, 1)
    )[0]
    cells = [cell for line in lines for cell in line]
    if any(separator[0] in cell or '"' in cell for cell in cells) and len(separator) > 1:
        separator = ";"
    quoting = draw.choices((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC), (70, 20, 10))[0]
    text = _text(lines, separator, quoting, draw.choice(("\n", "\r\n")))
    text = text if draw.random() < 0.8 else text.rstrip("\r\n")
    encoding = draw.choices(("utf-8", "utf-8-sig", "cp1252", "utf-16"), (62, 14, 14, 10))[0]
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        encoding, data = "utf-8", text.encode()
    draft.traits += [f"separator {separator!r}", encoding, f"quoting {quoting}"]
    name = draw.choice(("ratings", "export", "data", "Bestellungen", "my file (2)", "reviews", "log", "achats"))
    ending = draw.choice((".csv", ".csv", ".txt", ".tsv" if separator == "\t" else ".dat"))
    packed = draw.random() < 0.04
    return f"{name}{ending}{'.gz' * packed}", gzip.compress(data) if packed else data


def _text(lines: Sequence[Sequence[str]], separator: str, quoting: int, end: str) -> str:
    if len(separator) > 1:
        return "".join(separator.join(line) + end for line in lines)
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, quoting=quoting, lineterminator=end).writerows(lines)
    return stream.getvalue()
