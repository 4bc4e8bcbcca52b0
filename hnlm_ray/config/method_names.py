"""The names of the methods: a file of each in ``hnlm_ray/tune/spaces``, which are not read here."""

from __future__ import annotations

import difflib
from collections.abc import Container
from functools import lru_cache
from importlib.resources import files
from typing import Final

DEFAULT_METHODS: Final = (
    *("rns", "pns", "dns"),
    *("pool", "pool_alpha0", "pool_random", "pool_shuffled"),
    *("hnlmrec", "hnlmrec_alpha0", "hnlmrec_random", "hnlmrec_shuffled", "hnlmrec_frozen"),
    *("guard", "guard_no_text", "guard_shuffled"),
)
CLASSICAL_METHODS: Final = (
    *("rns", "pns", "dns", "dns_mn", "srns", "mixgcf", "dins", "ahns", "in_batch"),
    *("softmax", "sampled_softmax", "sfcml", "ease", "ials", "fusion_cf", "distill_cf", "distill_fusion_cf"),
)
"""Those of the family 'classical': a test holds it to the files."""


@lru_cache(maxsize=1)
def shipped_methods() -> tuple[str, ...]:
    """Return the methods that come with the package, by name; files that begin with _ are parts of others."""
    names = (entry.name for entry in (files("hnlm_ray") / "tune" / "spaces").iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml") and name[0] != "_"))


def check_method(name: str, own: Container[str] = ()) -> None:
    """Raise ValueError for a name that is neither shipped nor the user's own."""
    if name not in shipped_methods() and name not in own:
        near = difflib.get_close_matches(name, shipped_methods(), n=1)
        told = f"did you mean '{near[0]}'" if near else f"use one of {', '.join(shipped_methods())}"
        raise ValueError(f"there is no method '{name[:80]}': {told}")
