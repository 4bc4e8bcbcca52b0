import re
from pathlib import Path

DOC = Path(__file__).parents[2] / "docs" / "cf.md"


def test_the_example_runs_as_it_is_printed(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)
    exec(compile(block, str(DOC), "exec"), {})
    best_epoch, ndcg, shape = capsys.readouterr().out.split(" ", 2)
    assert 0 < int(best_epoch) <= 20
    assert 0 < float(ndcg) < 1
    assert shape.strip().startswith("(")
