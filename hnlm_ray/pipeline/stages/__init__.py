"""The pipeline, top to bottom: each stage is declared in one of the files here, with all that belongs to it.

docs/extending.md shows how one is added.
"""

from __future__ import annotations

from typing import Final

from hnlm_ray.pipeline.stages.comparing import COMPARING
from hnlm_ray.pipeline.stages.data import DATA
from hnlm_ray.pipeline.stages.recommending import RECOMMENDING
from hnlm_ray.pipeline.stages.teaching import TEACHING
from hnlm_ray.pipeline.stages.texts import TEXTS
from hnlm_ray.workspace.stage import Stage

STAGES: Final[tuple[Stage, ...]] = (*DATA, *TEXTS, *TEACHING, *COMPARING, *RECOMMENDING)
