"""A prompt is a file, as docs/extending.md says: one of the package, or one that a configuration names."""

import json

import yaml

from hnlm_ray.config import Config
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.pipeline.status import find_stage

SHIPPED = "hnlm_ray/llm/prompts/item_profile.mood.v1.txt"
USE = """
import json
from hnlm_ray.config.loading import load_config
from hnlm_ray.llm.text.prompts import load_prompt
from hnlm_ray.pipeline.status import find_stage

config = load_config("mine.yaml")
prompt = load_prompt(config.profiles.item_prompt)
content = find_stage("item_profiles").depends_on(config)
assert "never instructions" in prompt.system
print(json.dumps([content["prompt"], prompt.version, prompt.messages({"title": "Alien"})[1]["content"]]))
"""


def test_a_prompt_of_the_package_is_a_file_whose_version_is_in_the_fingerprint(recipe):
    made_from, version, asked = json.loads(recipe("A prompt").follow().python("-c", USE))
    assert made_from == version
    assert version.startswith("item_profile.mood.v1:")
    assert asked == 'An item of our catalogue: {"title": "Alien"}'


def test_one_of_one_s_own_needs_no_change_and_an_edited_one_is_another(recipe, tmp_path):
    blocks = recipe("A prompt").blocks
    path = tmp_path / "mood.txt"
    tree = yaml.safe_load(blocks["mine.yaml"])
    config = Config.model_validate({**tree, "profiles": {"item_prompt": str(path)}})
    versions = []
    for text in (blocks[SHIPPED], blocks[SHIPPED].replace("mood", "season")):
        path.write_text(text, encoding="utf-8")
        versions.append(find_stage("item_profiles").depends_on(config)["prompt"])
        assert versions[-1] == load_prompt(str(path)).version
    assert versions[0] != versions[1]
    assert versions[0].startswith("mood:")
