"""The presets of the paper's data sets, on small files of the publishers' exact formats."""

import io
from datetime import date, timedelta

import pytest
from one_ray import connected
from pyarrow import parquet
from rich.console import Console

from hnlm_ray.base.progress import LineProgress
from hnlm_ray.config.loading import load_config
from hnlm_ray.pipeline.run import run_stages
from hnlm_ray.pipeline.status import find_stage
from hnlm_ray.sources.publishers.yelp import BUSINESSES, REVIEWS
from hnlm_ray.workspace import Workspace

PAPER = {
    "paper_7b": ("amazon_2018", 4, date(2015, 1, 1), date(2018, 1, 1), 10),
    "paper_toys": ("amazon_2018", 4, date(2015, 1, 1), date(2018, 1, 1), 10),
    "paper_cds": ("amazon_2018", 4, date(2014, 1, 1), date(2016, 1, 1), 10),
    "paper_yelp": ("yelp", 4, date(2015, 1, 1), date(2018, 1, 1), 10),
    "paper_electronics": ("amazon_2023", 3, date(2010, 1, 1), date(2018, 1, 1), 1),
}
CORE = 12


@pytest.mark.parametrize("name", PAPER)
def test_a_preset_has_exactly_the_paper_s_filters(repository, name):
    config = load_config(str(repository / "configs" / f"{name}.yaml"))
    rules = config.prepare
    assert rules.user_core == rules.item_core
    assert (config.source.format, rules.min_rating, rules.since, rules.until, rules.user_core) == PAPER[name]
    assert (rules.split.method, rules.split.validation, rules.split.test, rules.max_users) == ("random", 0.1, 0.2, None)
    assert (config.name, config.workspace) == (name, f"s3://your-bucket/{name}")


def rows_of(rules):
    """Yield (user, item, rating, time): a core that stays, and rows that just miss each rule."""
    first, last = f"{rules.since}T00:00:00", f"{rules.until - timedelta(days=1)}T23:59:59"
    least = float(rules.min_rating)
    for user in range(CORE):
        for item in range(CORE):
            yield f"u{user}", f"i{item}", least if item % 2 else 5.0, first if user % 2 else last
        yield f"u{user}", "i-low", least - 1, first
        yield f"u{user}", "i-late", 5.0, f"{rules.until}T00:00:00"
        yield f"u{user}", "i-early", 5.0, f"{rules.since - timedelta(days=1)}T23:59:59"
    for place in range(8):
        yield "u-nine", f"i{place}", 5.0, first
        yield f"u{place}", "i-nine", 5.0, first
    yield "u-nine", "i-nine", 5.0, first  # its ninth: u-nine goes, then i-nine with nine left, then u-ten
    for item in [*(f"i{place}" for place in range(9)), "i-nine"]:
        yield "u-ten", item, 5.0, first


def write(lines, folder, source_format, rows):
    """Write the publisher's files, and return what points a preset at them."""
    items = sorted({item for _, item, *_ in rows})
    if source_format == "yelp":
        reviews = [lines.review_yelp(user, item, rating, time.replace("T", " ")) for user, item, rating, time in rows]
        lines.write(folder / REVIEWS, reviews)
        lines.write(folder / BUSINESSES, [lines.business_yelp(item) for item in items])
        return [f"source.path={folder}"]
    make, product = lines.review[source_format], lines.product[source_format]
    paths = {
        "reviews": lines.write(folder / "reviews.json.gz", [make(*row) for row in rows], packed=True),
        "metadata": lines.write(folder / "meta.json.gz", [product(item) for item in items], packed=True),
    }
    return [f"source.{name}={path}" for name, path in paths.items()]


@pytest.fixture(scope="module")
def one_ray(repository):
    """Start one Ray for all presets."""
    config = load_config(str(repository / "configs" / "demo.yaml"))
    with connected(config, []):
        yield


def prepare(preset, folder, overrides):
    """Do what `hnlm stage prepare` does, in the Ray that is there."""
    settings = [f"workspace={folder}/ws", "ray.address=local", "prepare.buckets=2", *overrides]
    config = load_config(str(preset), settings)
    progress = LineProgress(Console(file=io.StringIO()))
    stages = run_stages(
        config, Workspace.open(config.workspace), progress, lambda stages: None, only=find_stage("prepare")
    )
    assert [status.stage.name for status in stages] == ["ingest", "prepare"]


def table(folder, name):
    paths = sorted((folder / "ws" / "tables" / name).rglob("*.parquet"))
    return [row for path in paths for row in parquet.read_table(path).to_pylist()]


@pytest.mark.real
@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize("name", sorted(set(PAPER) - {"paper_7b"}))
def test_who_stays_of_files_as_they_are_published(repository, tmp_path, lines, name):
    preset = repository / "configs" / f"{name}.yaml"
    rules = load_config(str(preset)).prepare
    rows = list(rows_of(rules))
    prepare(preset, tmp_path, write(lines, tmp_path, PAPER[name][0], rows))
    users, items = table(tmp_path, "users"), table(tmp_path, "items")
    cored = rules.user_core == 10
    others = (set(), set()) if cored else ({"u-nine", "u-ten"}, {"i-nine"})
    assert {row["user_id"] for row in users} == {f"u{user}" for user in range(CORE)} | others[0]
    assert {row["item_id"] for row in items} == {f"i{item}" for item in range(CORE)} | others[1]
    assert all(row["title"] for row in items)
    interactions = table(tmp_path, "interactions")
    assert len(interactions) == CORE * CORE + (0 if cored else 9 + 8 + 10)
    assert {row["split"] for row in interactions} == {"train", "validation", "test"}
    reviews = table(tmp_path, "reviews")
    trained = {(row["user"], row["item"]) for row in interactions if row["split"] == "train"}
    assert {(row["user"], row["item"]) for row in reviews} == trained
    assert all(row["text"].strip() for row in reviews)
