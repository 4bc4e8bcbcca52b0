"""From facts to one HTML file: escaped everywhere, with no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hnlm_ray.report.words import FILTERS

_TEMPLATES: Final = "templates"


def render(facts: Mapping[str, Any]) -> str:
    """Render the report.

    Whatever comes from files, the LLM or the configuration is escaped and, by the filter ``text``, cut and kept from
    changing what stands around it. The page's policy lets no script run but the one whose hash it names,
    and loads nothing.
    """
    environment = Environment(
        loader=PackageLoader("hnlm_ray.report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    script = _shipped("page/sort.js")
    page = environment.get_template("page/report.html.j2")
    return page.render(
        facts,
        style=Markup(_shipped("page/style.css")),  # noqa: S704  the package's own file
        script=Markup(script),  # noqa: S704  the package's own file
        policy=policy(script),
    )


def policy(script: str) -> str:
    """Return the Content-Security-Policy that lets exactly this script run."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _shipped(name: str) -> str:
    return (files("hnlm_ray.report") / _TEMPLATES / name).read_text(encoding="utf-8")
