"""What can go wrong in a CF training although its input was fine."""

from __future__ import annotations

from hnlm_ray.base.errors import HnlmError


class DivergedError(HnlmError):
    """The loss or an embedding is no longer finite."""
