"""Exports of shops in German, English and French: lines of orders whose customers, articles and dates are known."""

import csv
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from judged_tables import Asking
from made_columns import FIRST, LAST, LOOKS, THINGS

from hnlm_ray.discover.files.sample import Overrides
from hnlm_ray.discover.measure import look_up, measure
from hnlm_ray.discover.understanding import understand


@dataclass(frozen=True)
class Line:
    """One line of an order; its customer and its article as numbers from 0."""

    order: int
    at: int
    position: int
    customer: int
    article: int
    when: datetime
    quantity: int
    event: str = "purchase"

    @property
    def price(self):
        return 2.5 + self.article * 1.37

    @property
    def person(self):
        return f"{FIRST[self.customer % len(FIRST)]} {LAST[self.customer // len(FIRST) % len(LAST)]}"

    @property
    def email(self):
        return f"{self.person.split()[0]}.{self.customer}@example.com".lower()

    @property
    def sku(self):
        return f"{'ABCDEFG'[self.article % 7]}{'KLM'[self.article % 3]}-{1000 + 7 * self.article}"

    @property
    def ean(self):
        return f"40{12345678901 + 97 * self.article}"

    @property
    def name(self):
        thing, look = THINGS[self.article % len(THINGS)], LOOKS[self.article // len(THINGS) % len(LOOKS)]
        return f"{thing} {look} {20 + self.article} cm"

    @property
    def minute(self):
        return self.when.replace(second=0)

    @property
    def day(self):
        return self.when.replace(hour=0, minute=0, second=0)


def lines(seed, count=700, customers=70, articles=55, kinds=("purchase",)):
    draw = random.Random(seed)
    tastes = [1 / (at + 3) for at in range(articles)]
    made, order, when = [], 0, datetime(2021, 2, 3, 9, tzinfo=UTC)
    while len(made) < count:
        order, when = order + 1, when + timedelta(minutes=draw.randrange(5, 900), seconds=draw.randrange(60))
        customer = draw.randrange(customers)
        for position in range(1, draw.choice((1, 1, 2, 3, 5)) + 1):
            article = draw.choices(range(articles), tastes)[0]
            quantity = draw.choice((1, 1, 1, 2, 3, 10))
            event = draw.choice(kinds)
            made.append(Line(order, len(made), position, customer, article, when, quantity, event))
    return made


def comma(number):
    return f"{number:.2f}".replace(".", ",")


def point(number):
    return f"{number:.2f}"


def pick(*words):
    return lambda line: words[line.order % len(words)]


def fact(*words):
    return lambda line: words[line.article % len(words)]


def stamp(pattern):
    return lambda line: line.when.strftime(pattern)


COLOUR = {
    "de": "schöner Artikel aus unserer neuen Kollektion für Haus und Garten, lange haltbar und leicht zu pflegen",
    "fr": "un bel article de notre nouvelle collection pour la maison et le jardin, solide et facile à entretenir",
}


@dataclass(frozen=True, repr=False)
class Export:
    """A shop's file.

    Attributes
    ----------
    columns
        Each column's text of a line, by its name.
    user, item
        The columns that may be taken; several say the same.
    title
        The column of the products' names, if there is one.
    never
        Columns that are neither title nor prose, nor any role of an interaction.
    exact
        A line's time as exactly as the file has it.
    questions
        Options of the questions that are in place.
    articles
        Columns of a second file with a row an article.
    """

    name: str
    columns: dict[str, Callable[[Line], str]]
    user: tuple[str, ...]
    item: tuple[str, ...]
    title: str | None
    never: tuple[str, ...]
    exact: Callable[[Line], datetime]
    separator: str = ";"
    encoding: str = "utf-8"
    quoting: int = csv.QUOTE_MINIMAL
    kinds: tuple[str, ...] = ("purchase",)
    questions: frozenset[str] = frozenset()
    articles: dict[str, Callable[[Line], str]] | None = None
    text: str | None = None


SECOND = lambda line: line.when  # noqa: E731
MINUTE = lambda line: line.minute  # noqa: E731
DAY = lambda line: line.day  # noqa: E731

EXPORTS = [
    Export(
        "bestellungen.csv",
        {
            "Bestellnummer": lambda line: str(700100 + line.order),
            "Bestelldatum": stamp("%d.%m.%Y %H:%M"),
            "Kundennummer": lambda line: str(40_000 + line.customer),
            "Artikelnummer": lambda line: str(9000 + line.article),
            "Artikelbezeichnung": lambda line: line.name,
            "Menge": lambda line: str(line.quantity),
            "Einzelpreis": lambda line: comma(line.price),
            "Gesamtpreis": lambda line: comma(line.price * line.quantity),
            "Währung": lambda line: "EUR",
            "Zahlungsart": pick("PayPal", "Rechnung", "Kreditkarte"),
            "Land": pick("Deutschland", "Österreich", "Schweiz"),
        },
        ("Kundennummer",), ("Artikelnummer",), "Artikelbezeichnung",
        ("Bestellnummer", "Menge", "Einzelpreis", "Gesamtpreis", "Währung", "Zahlungsart"), MINUTE, encoding="cp1252",
    ),
    Export(
        "kassenbons.csv",
        {
            "Bon-Nr": lambda line: f"{line.order:06d}",
            "Datum": stamp("%d.%m.%Y"),
            "Uhrzeit": stamp("%H:%M"),
            "Kundenkarte": lambda line: f"KK{830_000 + 13 * line.customer}",
            "EAN": lambda line: line.ean,
            "Artikel": lambda line: line.name,
            "Warengruppe": fact("Haushalt", "Garten", "Bücher"),
            "Menge": lambda line: str(line.quantity),
            "Preis": lambda line: f"{comma(line.price)} €",
            "MwSt": fact("7 %", "19 %"),
        },
        ("Kundenkarte",), ("EAN", "Artikel"), "Artikel", ("Bon-Nr", "Menge", "Preis", "MwSt", "EAN", "Uhrzeit"), DAY,
        encoding="cp1252", quoting=csv.QUOTE_ALL,
    ),
    Export(
        "rechnungen.csv",
        {
            "Rechnungsnr.": lambda line: f"RE-2021-{line.order:05d}",
            "Rechnungsdatum": stamp("%d.%m.%Y"),
            "Kunden-Nr.": lambda line: str(10_000 + line.customer),
            "Kundenname": lambda line: f"{line.person} {line.customer}",
            "PLZ": lambda line: f"{10115 + 331 * line.customer % 80000:05d}",
            "Ort": lambda line: ("Berlin", "Köln", "Graz", "Bern")[line.customer % 4],
            "Pos.": lambda line: str(line.position),
            "Art.-Nr.": lambda line: line.sku,
            "Bezeichnung": lambda line: line.name,
            "Menge": lambda line: str(line.quantity),
            "Einheit": lambda line: "Stk",
            "VK netto": lambda line: comma(line.price),
            "Rabatt %": pick("0", "0", "5", "10"),
            "Lagerbestand": lambda line: str((line.at * 37 + line.article) % 400),
        },
        ("Kunden-Nr.", "Kundenname"), ("Art.-Nr.",), "Bezeichnung",
        ("Rechnungsnr.", "Pos.", "PLZ", "Menge", "VK netto", "Rabatt %", "Lagerbestand", "Einheit"), DAY,
    ),
    Export(
        "shop-ereignisse.csv",
        {
            "Zeitstempel": stamp("%Y-%m-%d %H:%M:%S"),
            "Ereignis": lambda line: line.event,
            "Sitzung": lambda line: f"s{line.order:08x}",
            "Besucher-ID": lambda line: f"{line.customer * 7919 + 65537:08x}",
            "Artikelnummer": lambda line: line.sku,
            "Produktname": lambda line: line.name,
            "Preis": lambda line: comma(line.price),
            "Gerät": pick("mobil", "Desktop", "Tablet"),
        },
        ("Besucher-ID",), ("Artikelnummer",), "Produktname", ("Ereignis", "Sitzung", "Preis", "Gerät"), SECOND,
        kinds=("angesehen", "angesehen", "Warenkorb", "gekauft"), questions=frozenset({"--events"}), separator=",",
    ),
    Export(
        "online_retail.csv",
        {
            "InvoiceNo": lambda line: str(536_365 + line.order),
            "StockCode": lambda line: f"{84_000 + line.article}{'AB'[line.article % 2]}",
            "Description": lambda line: line.name.upper(),
            "Quantity": lambda line: str(line.quantity),
            "InvoiceDate": lambda line: f"{line.when.month}/{line.when.day}/{line.when.year} {line.when:%H:%M}",
            "UnitPrice": lambda line: point(line.price),
            "CustomerID": lambda line: str(12_346 + line.customer),
            "Country": lambda line: ("United Kingdom", "France", "EIRE")[line.customer % 3],
        },
        ("CustomerID",), ("StockCode",), "Description", ("InvoiceNo", "StockCode", "Quantity", "UnitPrice"), MINUTE,
        separator=",",
    ),
    Export(
        "orders_export_1.csv",
        {
            "Name": lambda line: f"#{1000 + line.order}",
            "Email": lambda line: line.email,
            "Financial Status": lambda line: "paid",
            "Created at": stamp("%Y-%m-%d %H:%M:%S +0000"),
            "Lineitem quantity": lambda line: str(line.quantity),
            "Lineitem name": lambda line: line.name,
            "Lineitem price": lambda line: point(line.price),
            "Lineitem sku": lambda line: line.sku,
            "Currency": lambda line: "GBP",
            "Payment Method": pick("Shopify Payments", "PayPal"),
            "Shipping Country": lambda line: ("GB", "IE", "FR")[line.customer % 3],
        },
        ("Email",), ("Lineitem sku",), "Lineitem name",
        ("Name", "Financial Status", "Lineitem quantity", "Lineitem price", "Lineitem sku"), SECOND, separator=",",
        quoting=csv.QUOTE_ALL,
    ),
    Export(
        "order_items.tsv",
        {
            "order_id": lambda line: str(5000 + line.order),
            "line_no": lambda line: str(line.position),
            "customer_id": lambda line: str(1 + line.customer),
            "customer_email": lambda line: line.email,
            "product_id": lambda line: str(1 + line.article),
            "sku": lambda line: line.sku,
            "product_name": lambda line: line.name,
            "qty": lambda line: str(line.quantity),
            "line_total": lambda line: point(line.price * line.quantity),
            "coupon_code": pick("", "", "SPRING21", "WELCOME10"),
            "status": lambda line: "completed",
            "date_created": stamp("%Y-%m-%dT%H:%M:%S"),
        },
        ("customer_id", "customer_email"), ("product_id", "sku"), "product_name",
        ("order_id", "line_no", "sku", "qty", "line_total", "coupon_code", "status"), SECOND, separator="\t",
    ),
    Export(
        "events_export.csv",
        {
            "event_name": lambda line: "purchase",
            "event_timestamp": lambda line: str(int(line.when.timestamp()) * 1_000_000 + 1234),
            "user_pseudo_id": lambda line: f"{1_000_000 + 77 * line.customer}.{1_600_000_000 + line.customer}",
            "ga_session_id": lambda line: str(int(line.when.timestamp())),
            "transaction_id": lambda line: f"T{line.order:07d}",
            "item_id": lambda line: line.sku,
            "item_name": lambda line: line.name,
            "price": lambda line: point(line.price),
            "quantity": lambda line: str(line.quantity),
            "currency": lambda line: "USD",
            "device_category": pick("mobile", "desktop"),
        },
        ("user_pseudo_id",), ("item_id",), "item_name",
        ("event_name", "ga_session_id", "transaction_id", "price", "quantity", "currency"), SECOND, separator=",",
        encoding="utf-8-sig",
    ),
    Export(
        "commandes.csv",
        {
            "N° commande": lambda line: f"C{2021_0000 + line.order}",
            "Date commande": stamp("%d/%m/%Y"),
            "Code client": lambda line: f"CL{line.customer:04d}",
            "Réf. article": lambda line: line.sku,
            "Désignation": lambda line: line.name,
            "Qté": lambda line: str(line.quantity),
            "Prix unitaire HT": lambda line: comma(line.price),
            "Remise": pick("0,00", "0,00", "2,50"),
            "Montant TTC": lambda line: comma(line.price * line.quantity * 1.2),
            "Mode de paiement": pick("CB", "Virement", "PayPal"),
            "Pays": lambda line: ("France", "Belgique", "Suisse")[line.customer % 3],
        },
        ("Code client",), ("Réf. article",), "Désignation",
        ("N° commande", "Qté", "Prix unitaire HT", "Remise", "Montant TTC", "Mode de paiement"), DAY, encoding="cp1252",
    ),
    Export(
        "tickets.csv",
        {
            "ticket": lambda line: str(880_000 + line.order),
            "horodatage": stamp("%d/%m/%Y %H:%M:%S"),
            "carte_fidelite": lambda line: f"29{10**10 + 31 * line.customer}",
            "code_barre": lambda line: line.ean,
            "libelle": lambda line: line.name,
            "rayon": fact("maison", "jardin", "livres"),
            "quantite": lambda line: str(line.quantity),
            "prix": lambda line: comma(line.price),
            "magasin": lambda line: f"M{line.order % 4:02d}",
        },
        ("carte_fidelite",), ("code_barre",), "libelle", ("ticket", "code_barre", "quantite", "prix", "magasin"),
        SECOND,
    ),
    Export(
        "ventes.csv",
        {
            "id_commande": lambda line: str(300 + line.order),
            "reference": lambda line: "".join("ABCDEFGHIJ"[int(digit)] for digit in f"{line.order * 7919 % 10**9:09d}"),
            "id_client": lambda line: str(1 + line.customer),
            "date_achat": stamp("%Y-%m-%d %H:%M:%S"),
            "id_produit": lambda line: str(100 + line.article),
            "quantite": lambda line: str(line.quantity),
            "prix_ttc": lambda line: comma(line.price),
            "total_paye": lambda line: comma(line.price * line.quantity),
            "paiement": pick("carte", "chèque"),
            "stock": lambda line: str((line.at * 11 + line.article) % 300),
        },
        ("id_client",), ("id_produit",), None,
        ("id_commande", "reference", "quantite", "prix_ttc", "total_paye", "stock"), SECOND,
        articles={
            "id_produit": lambda line: str(100 + line.article),
            "ean13": lambda line: line.ean,
            "nom": lambda line: line.name,
            "description": lambda line: f"{line.name}: {COLOUR['fr']}",
            "prix": lambda line: comma(line.price),
            "stock": lambda line: str(line.article * 3 % 50),
            "code_rayon": fact("R01", "R02", "R17"),
        },
        text="description",
    ),
    Export(
        "Umsaetze 2021.csv",
        {
            "lfd. Nr.": lambda line: str(line.at + 1),
            "Belegnummer": lambda line: f"{2021_00000 + line.order}",
            "Buchungsdatum": stamp("%Y%m%d"),
            "Kunde": lambda line: f"{line.person} ({line.customer})",
            "Artikel": lambda line: str(5_000_000 + 17 * line.article),
            "Anzahl": lambda line: str(line.quantity),
            "Betrag": lambda line: comma(line.price * line.quantity * 400),
            "Steuer-Code": pick("A1", "A2"),
            "Filiale": lambda line: str(1 + line.order % 5),
        },
        ("Kunde",), ("Artikel",), None, ("lfd. Nr.", "Belegnummer", "Anzahl", "Betrag", "Steuer-Code", "Filiale"), DAY,
        articles={
            "Artikel": lambda line: str(5_000_000 + 17 * line.article),
            "EAN-Code": lambda line: line.ean,
            "Bezeichnung": lambda line: line.name,
            "Beschreibung": lambda line: f"{line.name}, {COLOUR['de']}",
            "VK-Preis": lambda line: comma(line.price),
            "Bestand": lambda line: str(line.article * 7 % 90),
        },
        text="Beschreibung",
    ),
]  # fmt: skip
SEEDS = (1, 2)


@pytest.fixture(scope="module", params=[(export, seed) for export in EXPORTS for seed in SEEDS],
                ids=lambda one: f"{one[0].name}-{one[1]}")  # fmt: skip
def shop(request, tmp_path_factory):
    export, seed = request.param
    folder = tmp_path_factory.mktemp("shop")
    made = lines(seed, kinds=export.kinds)
    paths = [written(folder / export.name, export, export.columns, made)]
    if export.articles:
        once = list({line.article: line for line in made}.values())
        paths.append(written(folder / "artikel.csv", export, export.articles, once))
    asking = Asking()
    return export, made, understand(paths, Overrides(), asking), asking


def written(path, export, columns, made):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=export.separator, quoting=export.quoting, lineterminator="\r\n")
    writer.writerows([list(columns), *([make(line) for make in columns.values()] for line in made)])
    path.write_bytes(stream.getvalue().encode(export.encoding))
    return str(path)


def cells(export, names, made):
    return [[export.columns[name](line) for line in made] for name in names]


def counted(export, made, found):
    """Return the lines whose kind of event counts, and what was read of them."""
    kept = measure(found.source).rows
    if export.questions:
        made = [line for line in made if kept.num_rows == len(made) or line.event == "gekauft"]
    return made, kept


def test_the_customer_is_the_user_and_the_article_the_item(shop):
    export, made, found, _ = shop
    made, rows = counted(export, made, found)
    assert rows["user_id"].to_pylist() in cells(export, export.user, made)
    assert rows["item_id"].to_pylist() in cells(export, export.item, made)


def test_the_date_is_the_time_and_nothing_is_a_rating(shop):
    export, made, found, _ = shop
    made, rows = counted(export, made, found)
    assert rows["timestamp"].to_pylist() == [int(export.exact(line).timestamp()) for line in made]
    assert found.min_rating is None
    assert rows["rating"].null_count == rows.num_rows


def test_names_are_titles_and_descriptions_are_texts_while_prices_stocks_and_codes_are_neither(shop):
    export, made, found, _ = shop
    first = {line.article: line for line in made}
    ids = {name: {article: export.columns[name](line) for article, line in first.items()} for name in export.item}
    known = set(measure(found.source).rows["item_id"].to_pylist())
    chosen = next(by_article for by_article in ids.values() if known <= set(by_article.values()))
    seen = look_up(found.source, list(chosen.values())).by_id
    title = (
        export.columns[export.title]
        if export.title
        else export.articles["nom" if "nom" in export.articles else "Bezeichnung"]
    )
    for article, key in chosen.items():
        assert seen[key]["title"] == title(first[article])
        assert seen[key]["text"] == (export.articles[export.text](first[article]) if export.text else None)
    assert not set(found.source["interactions"]["columns"].get("review", ())) & set(export.columns)


def test_no_column_of_an_order_a_price_or_a_code_has_a_role_and_only_events_are_asked_about(shop):
    export, _, found, asking = shop
    columns = found.source["interactions"]["columns"]
    named = {columns.get(role) for role in ("user", "item", "rating", "timestamp")}
    assert not named & set(export.never) - set(export.item)
    about_items = found.source.get("items", {}).get("columns", {})
    prose = {about_items.get("title"), *about_items.get("text", ()), *columns.get("review", ())}
    assert not prose & set(export.never) - {export.title}
    told_twice = {"--user and --item"} if len(export.user) + len(export.item) > 2 else set()
    assert export.questions <= {question.option for question in asking.questions} <= export.questions | told_twice
