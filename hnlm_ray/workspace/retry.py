"""Which failed rows of an LLM stage are to be asked again, and what the table is then called."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hnlm_ray.base.errors import InputError
from hnlm_ray.base.fingerprint import fingerprint_of
from hnlm_ray.workspace.tables import STATUSES

_ALL = "failed"
_FINAL = {"ok", "none", "no_vector"}
RETRIED = tuple(status for status in STATUSES if status not in _FINAL)
"""Statuses of rows that another attempt may mend; a pair that the teacher has no vector for isn't one of them."""


@dataclass(frozen=True)
class Retry:
    """The rows of ``statuses`` of a published table, or of an unfinished stage's chunks, are asked again.

    ``wanted`` is how the command line names them: 'failed' or 'failed:STATUS'. ``of``: the content of the published
    table; empty for the chunks of an unfinished stage.
    """

    wanted: str
    of: str = ""

    @property
    def statuses(self) -> tuple[str, ...]:
        """Statuses of the rows to ask again."""
        return RETRIED if self.wanted == _ALL else (self.wanted.removeprefix(f"{_ALL}:"),)

    @property
    def revision(self) -> str:
        """What the published table is after this retry: the same at each call, so that one that was stopped goes on."""
        return fingerprint_of({"retry": self.wanted, "of": self.of})

    def of_table(self, content: str) -> Retry:
        """Return the retry of a published table."""
        return replace(self, of=content)


def parse_retry(text: str) -> Retry:
    """Read 'failed' or 'failed:STATUS'.

    Raises
    ------
    InputError
        When it is neither; the sentence lists the statuses.
    """
    start, colon, status = text.partition(":")
    if start != _ALL or (colon and status not in RETRIED):
        raise InputError(
            f"--retry takes '{_ALL}' or '{_ALL}:STATUS', got '{text}': STATUS is one of {', '.join(RETRIED)}"
        )
    return Retry(text)
