"""What text is worth: the row of a data set, by hand."""

import pytest
from made_runs import made_run

from hnlm_ray.config.study import StudyConfig
from hnlm_ray.study.outputs import markdown
from hnlm_ray.study.table import study_answer
from hnlm_ray.study.worth import text_worth

STUDY = StudyConfig(name="s", workspace="w", datasets=({"name": "a"}, {"name": "b"}), methods=("dns",))
TRIO = {"mf_fusion": 0.33, "mf_fusion_cf": 0.31, "mf_fusion_shuffled": 0.305}


def answer(*runs):
    return study_answer(STUDY, runs, [])[0]


def test_a_row_names_the_best_of_both_and_what_the_text_adds():
    found = answer(made_run(mf_dns=0.30, **TRIO))
    (row,) = found["text_worth"]
    assert (row["name"], row["users"], row["items"], row["interactions"]) == ("a", 300, 9, 99)
    base, ours = row["best_classical"], row["best_semantic"]
    assert (base["name"], ours["name"]) == ("mf-fusion_cf", "mf-fusion")
    assert (base["ndcg@20"], ours["ndcg@20"]) == pytest.approx((0.31, 0.33))
    gain = ours["versus_best_classical"]
    assert gain["relative"] == pytest.approx(0.33 / 0.31 - 1, abs=0.01)
    assert gain["ci95"][0] < gain["relative"] < gain["ci95"][1]
    assert 0 <= gain["p_holm"] < 0.01
    assert ours["versus_shuffled"]["name"] == "mf-fusion_shuffled"
    assert ours["versus_shuffled"]["p"] < 0.01
    assert ours["text_share"] == pytest.approx(1.0)
    assert ours["versus_best_unfused"]["name"] == "mf-dns"
    assert ours["versus_best_unfused"]["relative"] == pytest.approx(0.1, abs=0.01)


def test_what_the_same_without_text_has_too_is_no_gain_of_the_text():
    found = answer(made_run(mf_dns={"mean": 0.32, "speed": 9}, **TRIO))
    ours = found["text_worth"][0]["best_semantic"]
    assert ours["versus_without_text"]["name"] == "mf-fusion_cf"
    assert ours["text_share"] == pytest.approx((0.33 - 0.31) / (0.33 - 0.32))


def test_without_a_gain_a_control_or_a_semantic_method_there_is_nothing_to_say():
    lost = answer(made_run(mf_dns=0.40, mf_fusion=0.33))["text_worth"][0]["best_semantic"]
    assert (lost["versus_shuffled"], lost["versus_without_text"], lost["text_share"]) == (None, None, None)
    assert answer(made_run(mf_dns=0.40, mf_rns=0.33))["text_worth"] == []
    assert text_worth([], []) == []


def test_the_page_has_a_row_each():
    page = markdown(answer(made_run(mf_dns=0.30, **TRIO), made_run("b", mf_dns=0.30, **TRIO)))
    (start,) = [place for place, line in enumerate(page.splitlines()) if line == "## What text is worth"]
    rows = page.splitlines()[start + 4 : start + 6]
    assert [row.split(" | ")[0] for row in rows] == ["| a/main", "| b/main"]
    assert "mf-fusion" in rows[0]


def test_the_llm_s_part_is_told_by_tokens():
    found = answer(made_run(mf_dns=0.30, mf_fusion_llm=0.363, **TRIO))
    (told,) = found["text_worth"][0]["llm"]
    assert (told["method"], told["versus"]["name"], told["tokens"]) == ("mf-fusion_llm", "mf-fusion", 500_000)
    assert told["relative_per_million_tokens"] == pytest.approx(2 * told["versus"]["relative"])
    assert told["versus"]["relative"] == pytest.approx(0.1, abs=0.01)
