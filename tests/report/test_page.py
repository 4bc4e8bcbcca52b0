"""What comes from outside stays text, whatever it is; the page is whole, small and alone."""

import base64
import hashlib
import itertools
import re
from html.parser import HTMLParser

import pytest
from hostile import HOSTILE
from markupsafe import Markup

from hnlm_ray.base.text import clean
from hnlm_ray.report.page import policy, render
from hnlm_ray.report.plots import charts as plots
from hnlm_ray.report.plots import frontier as plots_frontier
from hnlm_ray.report.plots import search as plots_search

TAGS_WITHOUT_END = {"meta", "link", "br"}


class Structure(HTMLParser):
    """Elements with their attributes in order, and the text; open elements must be closed in order."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.open, self.comments = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, tuple(attributes)))
        if tag not in TAGS_WITHOUT_END:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, tuple(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)

    def handle_comment(self, text):
        self.comments.append(text)


@pytest.fixture
def plain_plots(monkeypatch):
    """Plots hold no text from outside (a test below); without them a page is made at once."""
    for module in (plots, plots_frontier, plots_search):
        monkeypatch.setattr(module, "plot", lambda name, title, size, draw: Markup("<svg></svg>"))


def write(make_page, folder, text):
    return make_page(folder, itertools.cycle([text]).__next__)


@pytest.fixture
def plain(make_page, tmp_path, plain_plots):
    return Structure(write(make_page, tmp_path / "plain", "words"))


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_element_and_no_attribute_comes_from_outside(make_page, tmp_path, plain, kind):
    storable = HOSTILE[kind].encode("utf-8", "replace").decode()  # Arrow holds no half characters
    page = write(make_page, tmp_path / "hostile", storable)
    found = Structure(page)
    assert found.elements == plain.elements
    assert found.open == found.comments == []
    shown = clean(storable)
    assert sum(shown in text for text in found.texts) > 20  # it stands there as text, and is not just left out


def test_the_fine_tuned_llm_stands_with_its_intervals_and_the_words_for_them(plain):
    shown = " ".join(" ".join(plain.texts).split())
    assert "5 pairs of 3 held-out users" in shown
    assert "item_vector 0.510 [0.450, 0.556] -0.080 [-0.154, +0.012]" in shown
    assert "is level with item_vector (mrr 0.510, difference -0.080 [-0.154, +0.012])" in shown
    assert "this comparison can't show semantic knowledge" in shown


@pytest.mark.parametrize(
    ("compared", "words"),
    [
        (
            {"p_holm": 0.01, "speaks_of": "configurations"},
            "Whose merit is it? It ranks above 3 of 3 controls (the same",
        ),
        ({"p_holm": 0.01, "speaks_of": "methods"}, "Whose merit is it? It beats 3 of 3 controls (the same"),
        ({"p_holm": 0.5, "speaks_of": "methods"}, "Controls (the same method without something), compared: mf-pool_"),
    ],
)
def test_controls_are_said_to_be_beaten_of_methods_alone_and_only_where_there_is_a_gain(
    make_page, tmp_path, plain_plots, compared, words
):
    def change(answer):
        (ours,) = [entry for entry in answer["methods"] if entry["name"] == "mf-pool"]
        ours["versus_best_classical"] |= compared
        for control in ours["versus_controls"]:
            control["speaks_of"] = compared["speaks_of"]

    page = make_page(tmp_path, itertools.cycle(["words"]).__next__, change)
    shown = " ".join(" ".join(Structure(page).texts).split())
    summary = shown[shown.index("What was tested.") : shown.index("The verdict in figures")]
    assert words in summary
    assert "without a result: mf-pool_facts" in summary
    assert ("merit" in summary) == (compared["p_holm"] < 0.05)
    assert "beaten" not in summary


@pytest.mark.parametrize(("searches", "unit"), [(1, "seeds"), (3, "searches")])
def test_deviations_are_told_by_what_they_are_over(make_page, tmp_path, plain_plots, searches, unit):
    def change(answer):
        for entry in answer["methods"]:
            entry["searches"] *= searches  # none of the method of which no trial came to a figure

    page = make_page(tmp_path, itertools.cycle(["words"]).__next__, change)
    shown = " ".join(" ".join(Structure(page).texts).split())
    assert f" over {unit})" in shown
    assert f"± {unit} validation" in shown
    assert ("Each was tuned in searches of its own (searches: 3," in shown) == (searches > 1)


def test_control_and_direction_characters_are_visible(make_page, tmp_path, plain_plots):
    page = write(make_page, tmp_path, HOSTILE["bidi"] + HOSTILE["control"])
    assert not {char for char in page if not char.isprintable()} - {"\n"}
    assert r"\u202edrowssap" in page
    assert r"\x1b[2J" in page


def test_half_a_character_is_no_error():
    from hnlm_ray.report.words import lines, text

    assert str(text(HOSTILE["surrogate"])) == r"<bdi>\ud800 half</bdi>"
    lines(HOSTILE["surrogate"]).encode()


def test_each_text_keeps_its_direction_to_itself(make_page, tmp_path, plain_plots):
    arabic = "\u0641\u064a\u0644\u0645"
    page = write(make_page, tmp_path, arabic)
    outside = re.sub(r"<pre.*?</pre>", "", re.sub(r"<bdi>[^<]*</bdi>", "", page), flags=re.DOTALL)
    assert page.count(f"<bdi>{arabic}</bdi>") > 20
    assert arabic not in outside


def test_texts_of_a_megabyte_are_cut(make_page, tmp_path, plain_plots):
    page = write(make_page, tmp_path, "<b>" + "x" * 2**20)
    assert len(page.encode()) < 200_000


def test_the_page_is_small_and_loads_nothing(make_page, tmp_path):
    page = write(make_page, tmp_path, "words")
    assert len(page.encode()) < 3 * 2**20
    elements = Structure(page).elements
    assert not {tag for tag, _ in elements} & {"img", "iframe", "object", "embed", "form", "input", "base", "video"}
    for tag, attributes in elements:
        for name, value in attributes:
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "href", "action"}:
                assert value.startswith("#") or value == "data:,", (tag, value)
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_only_the_page_s_own_script_may_run(make_page, tmp_path, plain_plots):
    page = write(make_page, tmp_path, "words")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (told,) = (
        dict(attributes)["content"] for _, attributes in Structure(page).elements if ("http-equiv" in dict(attributes))
    )
    assert told == policy(script)
    assert f"script-src 'sha256-{digest}'" in told
    assert told.startswith("default-src 'none'")


def test_ids_are_unique_and_every_reference_leads_somewhere(make_page, tmp_path):
    attributes = [dict(found) for _, found in Structure(write(make_page, tmp_path, "words")).elements]
    ids = [found["id"] for found in attributes if "id" in found]
    assert len(ids) == len(set(ids))
    links = {found["href"][1:] for found in attributes if found.get("href", "").startswith("#")}
    labels = {found["aria-labelledby"] for found in attributes if "aria-labelledby" in found}
    clips = {match for found in attributes for match in re.findall(r"url\(#([^)]+)\)", found.get("clip-path", ""))}
    assert len(links) > 10
    assert len(clips) > 3
    assert links | labels | clips <= set(ids)


def test_secrets_are_masked(make_page, tmp_path, plain_plots):
    page = write(make_page, tmp_path, "words")
    assert "hunter2" not in page
    assert "api_key: &#39;***&#39;" in page


def test_a_fact_that_is_missing_is_an_error_and_no_empty_space():
    with pytest.raises(Exception, match="undefined"):
        render({"name": "x"})


def test_the_dashed_line_is_of_the_pairs_that_the_points_are_of(make_page, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "hardness", lambda points, at_random: drawn.append(at_random))
    page = write(make_page, tmp_path, "words")
    assert drawn == [0.05]
    assert "Dashed: 5.0%, what items drawn uniformly for the same training pairs would give." in page


def test_false_negatives_by_epoch_stand_under_hardness(make_page, tmp_path, plain_plots):
    told = section(write(make_page, tmp_path, "words"), "hardness")
    assert '<th scope="row">mf-dns</th><td class="wide">1: 2.6%, 4: 5.2%</td>' in told
    assert told.count("<svg>") == 3


def test_samplers_on_one_model_stand_first_under_hardness_with_a_sentence_and_a_table(make_page, tmp_path, plain_plots):
    told = section(write(make_page, tmp_path, "words"), "hardness")
    assert told.index("mf-pool has 4.0%, 4.1 points [3.1, 5.1] fewer.") < told.index("On each method's own models")
    assert "the same 99 training pairs of 6 users on one model, <bdi>mf-dns</bdi> trained once more" in told
    row = told[told.index('<th scope="row"><bdi>mf-pool</bdi></th><td>alpha 0.5</td>') :]
    assert row.index("6.0% [5.0%, 7.0%]") < row.index("4.0% [3.0%, 5.0%]") < row.index("+4.1% [+3.1%, +5.1%]")
    assert "+3.6% [+2.6%, +4.6%]" in told[told.index("Controls with the settings of their methods: nothing") :]
    assert "Not drawn on this model: <bdi>mf-pool_shuffled</bdi> (<bdi>words</bdi>)." in told
    assert "None" not in told


def test_users_of_the_caveats_are_those_that_the_methods_are_compared_on(make_page, tmp_path, plain_plots):
    assert "test users: 12. A difference" in write(make_page, tmp_path, "words")


def test_the_figures_of_texts_stand_in_the_page_and_a_missing_one_is_a_dash(make_page, tmp_path, plain_plots):
    page = " ".join(write(make_page, tmp_path, "words").split())
    section = page[page.index('<section id="texts"') : page.index('<section id="samples"')]
    for figure in ("70.0%", "12.5%", "0.500", "0.750", "2.50", ">ok</bdi> 7, <bdi>none</bdi> 1, <bdi>invalid</bdi> 2"):
        assert figure in section
    assert "1 of them (25.0%) name one that the user likes in the held-out rows" in section
    assert "Items drawn at random would be wrong in 10.0% of the cases." in section
    assert '<td class="n" data-value="">-</td>' in section
    assert "None" not in section


def section(page, name):
    start = page.index(f'<section id="{name}"')
    return " ".join(page[start : page.index("</section>", start)].split())


def test_the_search_is_told_in_three_sections(make_page, tmp_path, plain_plots):
    page = write(make_page, tmp_path, "words")
    sensitivity = section(page, "sensitivity")
    assert sensitivity.count("<svg>") == len(("alpha", "base_sampler", "candidates", "dns.top", "lr"))
    assert '<th scope="row">candidates</th><td>mf-pool</td><td>4</td><td class="n">7</td>' in sensitivity
    importance = section(page, "importance")
    assert importance.count("<svg>") == 2
    assert "mf-pool_alpha0" in importance
    assert "not told" not in importance
    anytime = section(page, "anytime")
    assert anytime.count("<svg>") == 1
    # Three epochs of a quarter of a second each, then twenty more trials of a second.
    assert "0.2: 0.2500, 0.5: 0.5000, 0.8: 0.7500, 21.0: 0.7500" in anytime


def test_budget_and_failed_methods_are_told_with_the_comparison(make_page, tmp_path, plain_plots):
    comparison = section(write(make_page, tmp_path, "words"), "comparison")
    assert "Tuning of each method: 2 to 21 trials over 0 to 3 dimensions and 2.0 to 21 CPU seconds." in comparison
    assert (
        "No trial of <bdi>mf-pns</bdi> came to a figure (2 <bdi>failed</bdi>, 1 <bdi>lost</bdi>); 2 times: "
        "<bdi>words</bdi>." in comparison
    )
    assert "<td>2 trials; 1 trials lost with their process, no fault of the method</td>" in comparison
    assert "12, 0, 0</td>" in comparison
    groups = section(write(make_page, tmp_path / "other", "words"), "slices")
    assert "Differences to mf-dns by group" in groups
    assert "+0.0400 (4, 0, 0)" in groups
