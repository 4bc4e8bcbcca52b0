"""Every figure of the README's result sentences is that of the file it comes from."""

import json
import re

import pytest

from hnlm_ray.base.text import duration

SECTION = "## What you see"
END = "Look closer, or change something"
FIGURE = re.compile(r"[+-]?\d[\d,]*\.\d+%?|\d+%")
CLOCK = re.compile(r"\d+:\d\d")


@pytest.fixture(scope="module")
def demo(repository):
    return json.loads((repository / "docs" / "demo.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def study(repository):
    return json.loads((repository / "docs" / "results.json").read_text(encoding="utf-8"))["datasets"]


@pytest.fixture(scope="module")
def told(repository):
    text = (repository / "README.md").read_text(encoding="utf-8").partition(SECTION)[2].partition(END)[0]
    assert len(text) > 1000
    return text


def prose(told):
    return " ".join(told.partition("```text")[2].partition("```")[2].split())


def spans(low_high, digits=3, *, sign=False):
    return "[" + ", ".join(f"{end:{'+' if sign else ''}.{digits}f}" for end in low_high) + "]"


def stage_lines(demo):
    """The lines of the sample's stages, as far as it shows them."""
    for name, stage in demo["stages"].items():
        rows = f"{stage['rows']['ok']} ok" + (f", {stage['rows']['none']} none" if stage["rows"]["none"] else "")
        yield name, f"{name} done: {rows} in {duration(stage['seconds'])}", stage


def test_the_sample_s_stages_are_the_demo_s(demo, told):
    lines = [line for line in told.splitlines() if " done: " in line]
    assert len(lines) >= 8
    known = {name: (start, stage) for name, start, stage in stage_lines(demo)}
    for line in lines:
        start, stage = known[line.partition(" done: ")[0]]
        assert line.startswith(start), line
        tokens = stage["tokens"]
        for part in line[len(start) :].strip("; ").split("; "):
            if part.startswith("tokens "):
                assert part == f"tokens {tokens['in']:,} in, {tokens['out']:,} out"
                continue
            for count in filter(lambda text: text and text != "...", part.split(", ")):
                name, _, value = count.rpartition(" ")
                found = stage["counts"][name.replace(" ", "_")]
                shown = (
                    f"{found:.1%}"
                    if name.endswith("share")
                    else f"{found:.4g}"
                    if isinstance(found, float)
                    else f"{found}"
                )
                assert value == shown, line


def test_the_sample_s_table_and_words_are_the_demo_s(demo, told):
    results = demo["results"]
    ranked = {method["name"]: (rank, method) for rank, method in enumerate(results["methods"], 1)}
    rows = re.findall(r"^(\d+) +(\S+) +(\d\.\d{4}) +([+-]\d\.\d{4}) +(\d\.\d{4})$", told, re.MULTILINE)
    assert len(rows) >= 6
    for rank, name, test, difference, p in rows:
        place, method = ranked[name]
        versus = method["versus_best_classical"]
        assert (int(rank), test) == (place, f"{method['test']['ndcg@20']:.4f}")
        assert (difference, p) == (f"{versus['difference']:+.4f}", f"{versus['p_holm']:.4f}")
    sample = " ".join(told.partition("```text")[2].partition("```")[0].split())
    assert results["headline"] in sample
    for piece in sample.partition(results["headline"])[2].split("..."):
        assert piece.strip(" ,.)").replace(" )", ")") in results["verdict"], piece
    assert {"popularity", "lightgcn-softmax", "ease", "lightgcn-fusion_cf"} <= {name for _, name, *_ in rows}


def sentences(demo, study):
    """What the prose tells, as it must stand there."""
    methods = {method["name"]: method for method in demo["finetune_eval"]["methods"]}
    tuned = methods["finetuned"]
    yield f"mean reciprocal rank of {tuned['mrr']:.3f} {spans(tuned['mrr_ci95'])}"
    yield f"{demo['finetune_eval']['pairs']} pairs of {demo['finetune_eval']['users']} held-out users"
    for name, words in (("item_vector", "({mrr}; difference {d} {span})"), ("cf_mlp", "({mrr}; {d} {span})")):
        one = methods[name]
        low, high = one["difference_ci95"]
        relation = "level with" if low <= 0 <= high else "behind" if high < 0 else "better than"
        assert relation == "behind"  # so the sentence is worded
        span = spans(one["difference_ci95"], sign=True)
        yield words.format(mrr=f"{one['mrr']:.3f}", d=f"{one['difference']:+.3f}", span=span)
    counts = demo["stages"]["negative_pool"]["counts"]
    yield f"{counts['texts']} negatives that it wrote {counts['named_by_title']} name a title"
    by_name = {method["name"]: method for method in demo["results"]["methods"]}
    (control,) = (
        one for one in by_name["lightgcn-hnlmrec"]["versus_controls"] if one["name"] == "lightgcn-hnlmrec_alpha0"
    )
    assert control["p_holm"] >= 0.05
    yield f"{control['difference']:+.4f} to the same without any weight on them"
    best = [row["best_semantic"] for row in study]

    def ends(name):
        found = [one[name]["relative"] for one in best]
        assert min(found) > 0
        return f"{100 * min(found):.1f} to {max(found):.1%}"

    yield f"{ends('versus_best_classical')} above the best classical one on each"
    told_apart = [row["name"] for row in study if row["best_semantic"]["versus_best_classical"]["p_holm"] < 0.05]
    assert told_apart == ["ml100k"]
    gain = best[0]["versus_best_classical"]
    yield f"MovieLens 100K alone ({gain['relative']:+.1%}, p {gain['p_holm']:.3f})"
    yield f"{ends('versus_best_unfused')} above the best of samplers, softmax losses and EASE"
    yield f"{ends('versus_without_text')} above itself without text"
    most = max(one["versus_shuffled"]["p"] for one in best)
    yield f"{ends('versus_shuffled')} above itself with shuffled texts (p below {most + 0.005:.2f} on each"


def test_the_prose_tells_these_figures_and_no_others(demo, study, told):
    text = prose(told)
    for sentence in sentences(demo, study):
        assert sentence in text
        text = text.replace(sentence, "")
    assert not FIGURE.findall(text) + CLOCK.findall(text)


def test_the_prose_says_no_more_than_the_words_of_the_comparison(demo, told):
    assert demo["results"]["finding"]["outcome"] == "level"
    assert "no method with texts can be told from the best classical one" in prose(told)
