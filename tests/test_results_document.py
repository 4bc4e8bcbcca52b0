"""Every figure in the sentences of docs/results.md stands in docs/results.json, which the study wrote."""

import json
import re

import pytest

LEVEL = 0.05
FIGURE = re.compile(r"\d*\.\d+%?|\d+%")
COMPARISONS = ("versus_best_classical", "versus_best_unfused", "versus_shuffled", "versus_without_text")
TITLES = {
    "ml100k": "MovieLens 100K", "ml1m": "MovieLens 1M", "rotten_tomatoes": "Rotten Tomatoes", "xwines": "X-Wines",
    "musical_instruments": "Musical Instruments",
}  # fmt: skip


@pytest.fixture
def rows(repository):
    found = json.loads((repository / "docs" / "results.json").read_text(encoding="utf-8"))["datasets"]
    return {row["name"]: row for row in found}


@pytest.fixture
def page(repository):
    return (repository / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.fixture
def intro(page):
    """What stands before the description of the study."""
    return " ".join(page[page.index("In short") : page.index("What `configs/studies")].split())


def of(rows, comparison, what):
    return {name: row["best_semantic"][comparison][what] for name, row in rows.items()}


def span(rows, comparison):
    values = of(rows, comparison, "relative").values()
    return f"{100 * min(values):.1f} to {max(values):.1%}"


def figures_of(rows):
    """A pattern each, with what its groups must be."""
    gain, unfused, shuffled, without = (
        of(rows, name, "p_holm" if name == COMPARISONS[0] else "p") for name in COMPARISONS
    )
    (told,) = [name for name, p in gain.items() if p < LEVEL]
    rest = min(p for p in gain.values() if p >= LEVEL)
    told_unfused = max(p for p in unfused.values() if p < LEVEL)
    others = [name for name, p in unfused.items() if p >= LEVEL]
    (alone,) = [name for name, p in without.items() if p >= LEVEL]
    untold = "on " + " on ".join(TITLES[name] for name in others)
    assert max(shuffled.values()) < LEVEL
    assert (len(unfused) - len(others), untold) == (3, "on Rotten Tomatoes on Musical Instruments")
    return [
        (r"is above that of the best classical one, by ([\d.]+ to [\d.]+%)\.", [span(rows, COMPARISONS[0])]),
        (rf"only the gain on {TITLES[told]} can be told from chance \(Holm p ([\d.]+)\)", [f"{gain[told]:.4f}"]),
        (r"on the other four the two can't be told apart \(Holm p ([\d.]+) and more\)", [f"{rest:.4f}"]),
        (r"It is ([\d.]+ to [\d.]+%) above the best of samplers, softmax losses", [span(rows, COMPARISONS[1])]),
        (
            rf"\(p ([\d.]+) and less on three, ([\d.]+) on {TITLES[others[0]]}, ([\d.]+) on {TITLES[others[1]]}\)",
            [f"{p:.4f}" for p in (told_unfused, *(unfused[name] for name in others))],
        ),
        (
            r"([\d.]+ to [\d.]+%) above its own shuffled texts \(p < ([\d.]+) on each\)",
            [span(rows, COMPARISONS[2]), f"{LEVEL}"],
        ),
        (
            rf"([\d.]+ to [\d.]+%) above the same without text \(p < ([\d.]+) on four, ([\d.]+) on {TITLES[alone]}\)",
            [span(rows, COMPARISONS[3]), f"{LEVEL}", f"{without[alone]:.4f}"],
        ),
    ]  # fmt: skip


def unchecked(sentence, checks):
    """Return the figures of a sentence that no group of the patterns holds; each group must be what is expected."""
    spans = []
    for pattern, expected in checks:
        (found,) = re.finditer(pattern, sentence)
        assert list(found.groups()) == expected, pattern
        spans += [found.span(group) for group in range(1, len(expected) + 1)]
    held = [found for found in FIGURE.finditer(sentence) if any(a <= found.start() < b for a, b in spans)]
    return [found.group() for found in FIGURE.finditer(sentence) if found.span() not in {one.span() for one in held}]


def test_the_figures_of_the_introduction_are_those_of_the_study(intro, rows):
    assert unchecked(intro, figures_of(rows)) == []


def test_what_the_introduction_says_of_methods_and_data_sets_is_so(intro, rows):
    ours = {name: row["best_semantic"]["name"] for name, row in rows.items()}
    least = min(rows, key=lambda name: rows[name]["interactions"])
    assert len(rows) == 5
    assert {name for name in ours if ours[name] == "lightgcn-guard"} == {least}
    assert all(ours[name] == "lightgcn-fusion" for name in ours if name != least)
    assert all(of(rows, name, "relative")[data] > 0 for name in COMPARISONS for data in rows)
    assert "one search of six trials a method" in intro
    developed_on = {"ml100k", "ml1m"}
    assert min(p for name, p in of(rows, COMPARISONS[0], "p_holm").items() if name not in developed_on) >= LEVEL


@pytest.mark.parametrize("name", TITLES)
def test_the_sentence_of_a_data_set_has_its_figures_and_says_no_more(page, rows, name):
    (sentence,) = re.findall(rf"^## {name}\n\n\*\*(.*)\*\*$", page, re.MULTILINE)
    row = rows[name]
    ours, base = row["best_semantic"], row["best_classical"]["name"]
    gain, control = ours["versus_best_classical"], ours["versus_shuffled"]
    against = [f"{gain['relative']:.1%}", f"{gain['p_holm']:.4f}"]
    told = rf"ranks ([\d.]+%) above {base} \(Holm p ([\d.]+)\)"
    untold = rf"can't be told apart from {base} \(\+([\d.]+%), Holm p ([\d.]+)\)"
    shuffled = r"([\d.]+%) above its own shuffled texts \(p ([\d.]+)\)"
    checks = [
        (told if gain["p_holm"] < LEVEL else untold, against),
        (shuffled, [f"{control['relative']:.1%}", f"{control['p']:.4f}"]),
    ]
    assert unchecked(sentence, checks) == []
    assert sentence.startswith(f"{ours['name']} ")
    assert sentence.endswith("with these configurations.")
    assert ("the same without text" in sentence) == (ours["versus_without_text"]["name"] == base)
    assert control["p"] < LEVEL
    assert not re.search(r"\b(win|lose|won|lost|beat|merit|better|worse)", sentence)


def test_no_data_set_is_left_out(page, rows):
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == list(rows) == list(TITLES)


def test_a_figure_that_nothing_holds_is_found():
    assert unchecked("by 1.0% and 0.5", [(r"by ([\d.]+%)", ["1.0%"])]) == ["0.5"]
