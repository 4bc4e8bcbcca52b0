"""What `hnlm show` says of texts whose answers had to be mended."""

import io

import pytest
from rich.console import Console

from hnlm_ray.commands.show import show_text as portrait

ROW = {
    "status": "ok",
    "error": None,
    "summary": "a quiet film",
    "reasoning": None,
    "model": "m",
    "prompt_version": "p:1",
}
NEGATIVE = {"negative": "Alien", "reasoning": None, "verdict": None, "grounded": [], "positive": {"title": "Heat"}}


def printed(show, *arguments, **options):
    console = Console(file=io.StringIO(), width=120)
    show(console, *arguments, **options)
    return console.file.getvalue()


@pytest.mark.parametrize(("error", "told"), [(None, ":"), ("repaired JSON", " (repaired JSON):")])
def test_a_mended_profile_is_told_as_such(error, told):
    shown = printed(portrait._show_profile, ROW | {"error": error}, outdated=False)
    assert shown == f"profile (m, p:1){told}\n  a quiet film\n"


@pytest.mark.parametrize(("error", "told"), [(None, ""), ("repaired JSON", " (repaired JSON)")])
def test_a_mended_negative_is_told_as_such(error, told):
    shown = printed(portrait._show_negative, NEGATIVE | {"status": "ok", "error": error})
    assert shown.rstrip().endswith(f'hard negative: "Alien"{told}')
