"""Positives, k-core and splits."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hnlm_ray.config.base import Count, Section


class SplitConfig(Section):
    """Which positives train, which select (validation), which are read once (test)."""

    method: Literal["random", "leave_last_out", "given", "time"] = Field(
        "random",
        description="random: shares of each user; leave_last_out: each user's last by time; given: the source's; "
        "time: train before, then validation, then test, of all users at the same moments.",
    )
    validation: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1,
        description="Share of a user's positives (given: carved out of train where the source has no validation rows; "
        "time: of all positives); 0 = none.",
    )
    test: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="Share of a user's positives; random; time: of all positives."
    )
    validation_from: date | None = Field(
        None, description="time: first day (UTC) of validation, in the place of its share; needs test_from."
    )
    test_from: date | None = Field(None, description="time: first day (UTC) of test, in the place of its share.")
    train_share: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Share of each user's training rows that is kept, drawn by the seed and one at least."
    )

    @model_validator(mode="after")
    def _shares_leave_training_rows(self) -> SplitConfig:
        if self.method in {"random", "time"} and self.test_from is None and self.validation + self.test >= 1:
            raise ValueError("validation + test must stay below 1, or nothing is left to train on")
        return self

    @model_validator(mode="after")
    def _days_are_of_a_split_by_time(self) -> SplitConfig:
        if self.method != "time" and (self.validation_from or self.test_from):
            raise ValueError("validation_from and test_from are days of a split by time: set method to time")
        if self.validation_from and (self.test_from is None or self.validation_from >= self.test_from):
            raise ValueError("validation_from needs a later day in test_from: validation ends where test begins")
        return self


class PrepareConfig(Section):
    """What counts as a positive, and which users and items stay."""

    min_rating: float | None = Field(None, description="Positives have at least this rating; none: every row is one.")
    since: date | None = Field(None, description="First day kept (UTC), inclusive.")
    until: date | None = Field(None, description="Last day kept (UTC), exclusive.")
    user_core: Annotated[int, Field(ge=1)] = Field(5, description="Positives a user must have (k-core).")
    item_core: Annotated[int, Field(ge=1)] = Field(5, description="Positives an item must have (k-core).")
    repeats: Literal["once", "weight"] = Field(
        "once",
        description="A pair that comes again (bought again): once: it counts once; weight: how often it came is its "
        "weight in the trainings that read one (docs/data.md names them).",
    )
    max_users: Count | None = Field(None, description="Keep a seeded sample of this many users (before the k-core).")
    split: SplitConfig = SplitConfig()
    buckets: Annotated[int, Field(ge=1, le=65536)] = Field(8, description="Partitions by user: files of a table.")
