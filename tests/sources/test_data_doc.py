import re
from pathlib import Path

import pytest
import yaml

from hnlm_ray.config import Config

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_page_has_examples():
    assert len(BLOCKS) >= 6


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_is_a_valid_configuration(block):
    Config.model_validate({"name": "example", "workspace": "runs/example", **yaml.safe_load(block)})
