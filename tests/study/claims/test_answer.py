"""The answer has the keys that its types declare, and the document names them."""

from typing import get_args, get_type_hints, is_typeddict

from made_runs import made_run

from hnlm_ray.config.study import StudyConfig
from hnlm_ray.study.claims.answer import ShownStudy, StudyAnswer
from hnlm_ray.study.table import study_answer

SEEN_OF_METHODS = {"name", "family", "test", "test_std", "difference", "ci95", "relative", "effect_size", "p", "p_holm"}


def declared(kind, found, at, seen):
    """Hold each dict of a typed one to its keys; notes in ``seen`` which types were met."""
    if is_typeddict(kind):
        assert found.keys() == kind.__annotations__.keys(), at
        seen.add(kind.__name__)
        for name, part in get_type_hints(kind).items():
            declared(part, found[name], f"{at}.{name}", seen)
    elif isinstance(found, list):
        for n, one in enumerate(found):
            declared(get_args(kind)[0], one, f"{at}[{n}]", seen)
    elif found is not None and (own := [one for one in get_args(kind) if is_typeddict(one)]):
        declared(own[0], found, at, seen)


def answer():
    tree = {"name": "x", "workspace": "w", "methods": ["rns"], "datasets": [{"name": name} for name in "abcd"]}
    drawn = zip("abcd", (0.22, 0.23, 0.21, 0.22), (0.15, 0.14, 0.16, 0.15), strict=True)
    runs = [
        made_run(name, mf_dns=0.2, mf_rns=rns, mf_pool=pool, mf_guard=0.25, mf_guard_llm=0.26)
        for name, pool, rns in drawn
    ]
    unfinished = [{"dataset": "e", "variant": "as given", "state": "failed", "reason": "why"}]
    return study_answer(StudyConfig.model_validate(tree | {"claims": ["semantic"]}), runs, unfinished)[0]


def test_every_part_of_the_answer_has_the_keys_of_its_type(repository):
    found, seen = answer(), set()
    declared(StudyAnswer, found, "answer", seen)
    assert {"Better", "ClaimTest", "DatasetRatio", "LLMWorth", "MethodRank", "Pooled", "Ranks", "TextWorth"} <= seen
    assert found["runs"][0]["methods"][0].keys() >= SEEN_OF_METHODS
    section = (repository / "docs" / "commands.md").read_text(encoding="utf-8").split("## hnlm study")[1]
    named = section.split("\n## ")[0]
    assert [name for name in ShownStudy.__annotations__ if f'"{name}"' not in named] == []
