"""What the LLM judges of the candidates that a sampler of hard negatives meets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hnlm_ray.config.base import Count, Section


class EvidenceConfig(Section):
    """Judgements: whom the LLM is asked about, which items it judges, and what it reads."""

    judge: bool = Field(default=False, description="Ask the LLM which hard candidates a user would want.")
    users: Count = Field(1000, description="Most users asked about: those whose candidates are the least certain.")
    candidates: Annotated[int, Field(ge=1, le=20)] = Field(6, description="Items that one prompt lists.")
    hard: Count = Field(
        16, description="Candidates are among the best 1/hard of a user's items without a training row."
    )
    token_budget: Annotated[int, Field(ge=1, lt=2**63)] = Field(
        1_000_000, description="Most tokens of all prompts and answers, estimated before anything is asked."
    )
    prompt: str = Field("contrast.v1", description="A prompt of hnlm_ray/llm/prompts, or a file's path.")
    simple_prompt: str = Field("contrast.simple.v1", description="The same for the last attempt at a user.")
    max_tokens: Annotated[int, Field(ge=16)] = 256
    reason_chars: Annotated[int, Field(ge=10)] = Field(40, description="Most characters of the reason for a verdict.")
    person_chars: Annotated[int, Field(ge=0)] = Field(200, description="Characters of the user's profile in a prompt.")
    history: Count = Field(6, description="Training items of a user that its prompt shows, the latest first.")
    item_chars: Annotated[int, Field(ge=0)] = Field(60, description="Characters of each item's profile in it.")
