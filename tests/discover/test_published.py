import random

import pytest

from hnlm_ray.discover.files.sample import Overrides
from hnlm_ray.discover.understanding import understand


@pytest.mark.parametrize(("encoding", "known"), [("utf-8", "table"), ("latin-1", "movielens_1m")])
def test_ml_10m_with_titles_in_utf_8_is_not_read_as_ml_1m(tmp_path, encoding, known):
    draw = random.Random(1)
    seen = [f"{user}::{item}::5::838985046" for user in range(1, 40) for item in draw.sample(range(1, 60), 20)]
    films = [f"{item}::Am\u00e9lie {item} (2001)::Comedy|Romance" for item in range(1, 60)]
    (tmp_path / "ratings.dat").write_text("\n".join(seen))
    (tmp_path / "movies.dat").write_text("\n".join(films), encoding=encoding)
    source = understand([str(tmp_path)], Overrides(), lambda question: 0).source
    assert source["format"] == known
