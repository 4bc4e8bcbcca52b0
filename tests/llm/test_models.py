import pytest

from hnlm_ray.base.errors import InputError
from hnlm_ray.llm.models import check_model, encoder_identity, model_identity, model_path


def test_identities_name_the_model_and_no_path_of_this_machine():
    assert model_identity("embedded").startswith("SmolLM2-135M-Instruct@")
    assert encoder_identity("embedded").startswith("all-MiniLM-L6-v2@")
    assert model_identity("org/model-7b") == "org/model-7b"


def test_a_folder_is_told_apart_by_its_content_not_its_place(tmp_path):
    for place in ("a/m", "b/m"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "config.json").write_text("{}")
    assert model_identity(str(tmp_path / "a/m")) == model_identity(str(tmp_path / "b/m"))
    (tmp_path / "b/m/config.json").write_text('{"x": 1}')
    assert model_identity(str(tmp_path / "a/m")) != model_identity(str(tmp_path / "b/m"))


@pytest.mark.parametrize("name", ["/nowhere/model", "./nowhere", "~/nowhere/at/all", "word"])
def test_a_folder_without_a_checkpoint_is_refused(name):
    with pytest.raises(InputError, match="is no checkpoint"):
        model_path(name)


def test_other_weights_of_the_same_size_are_another_model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"a" * 100)
    first = model_identity(str(tmp_path))
    weights.write_bytes(b"b" * 100)
    assert model_identity(str(tmp_path)) != first


def test_a_model_is_checked_before_anything_runs_without_being_made(monkeypatch, tmp_path):
    monkeypatch.setenv("HNLM_CACHE", str(tmp_path))
    check_model("embedded")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="is no checkpoint"):
        check_model(str(tmp_path))
