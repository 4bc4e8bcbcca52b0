import re
from pathlib import Path

DOC = Path(__file__).parents[2] / "docs" / "cf.md"


def test_the_examples_run_as_they_are_printed_one_after_the_other(capsys):
    first, second = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)
    names = {}
    exec(compile(first, str(DOC), "exec"), names)
    best_epoch, ndcg, shape = capsys.readouterr().out.split(" ", 2)
    assert 0 < int(best_epoch) <= 20
    assert 0 < float(ndcg) < 1
    assert shape.strip().startswith("(")
    exec(compile(second, str(DOC), "exec"), names)
    coverage, shift, frozen = capsys.readouterr().out.split()
    assert float(coverage) == 200 / 300
    assert float(shift) > 0.01
    assert float(frozen) == 0
