"""``hnlm config show | schema``."""

from __future__ import annotations

import yaml
from rich.console import Console

from hnlm_ray.base.text import redacted_tree
from hnlm_ray.commands.output import Output, say
from hnlm_ray.config import Config


def show_config(config: Config, output: Output) -> None:
    """Print the resolved tree, defaults included, as YAML; secrets are masked."""
    tree = redacted_tree(config.model_dump(mode="json"))
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)

    def show(console: Console) -> None:
        for line in text.splitlines():
            say(console, line)

    output.emit(tree, show)


def show_schema(output: Output) -> None:
    """Print the JSON schema of a configuration."""
    output_json = Output(as_json=True, json_out=output.json_out)
    output_json.emit(Config.model_json_schema(), lambda _: None)
