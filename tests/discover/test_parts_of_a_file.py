import pytest

from hnlm_ray.discover.published import glob_of


@pytest.fixture
def parts(tmp_path, monkeypatch):
    for number in range(3):
        (tmp_path / f"part-{number}.csv").write_text("x")
    monkeypatch.chdir(tmp_path)
    return [f"part-{number}.csv" for number in range(3)]


@pytest.mark.parametrize("before", ["", "./", ".//", "{folder}/", "{folder}/./", "file://{folder}/"])
def test_parts_have_one_glob_however_their_folder_is_spelt(parts, tmp_path, before):
    folder = before.format(folder=tmp_path)
    assert glob_of([folder + name for name in parts]) == f"{folder}part-*.csv"


def test_a_glob_that_names_a_further_file_is_none(parts):
    assert glob_of(["./" + name for name in parts[:2]]) is None
