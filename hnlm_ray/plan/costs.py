"""What the planned tokens and GPU hours cost, and where a budget would end a run."""

from __future__ import annotations

from collections.abc import Sequence

from hnlm_ray.config import Config
from hnlm_ray.plan.figures import Planned


def priced(config: Config, stage: Planned, *, asks_llm: bool) -> Planned:
    """Return a stage with its cost by ``llm.prices``; without a price for what it uses it stays unknown.

    Tokens are paid for in the stages that ask the LLM alone; a GPU hour is paid for in every stage.
    """
    prices, parts = config.llm.prices, list[float]()
    has_price = prices.input_per_million is not None or prices.output_per_million is not None
    if has_price and stage.tokens is not None and asks_llm:
        parts.append(prices.of_tokens(stage.tokens.tokens_in, stage.tokens.tokens_out))
    if prices.gpu_hour is not None and stage.gpu_hours is not None:
        parts.append(prices.gpu_hour * stage.gpu_hours)
    return stage.model_copy(update={"cost": round(sum(parts), 6)}) if parts else stage


def budget_end(config: Config, asked: Sequence[Planned], spent: tuple[int, int]) -> str | None:
    """Say in which of the stages that ask the LLM ``llm.budget`` would be spent, if it would.

    ``spent``: tokens of what is finished.
    """
    budget, prices = config.llm.budget, config.llm.prices
    tokens_in, tokens_out = spent
    for stage in asked:
        if stage.tokens is None:
            continue
        tokens_in, tokens_out = tokens_in + stage.tokens.tokens_in, tokens_out + stage.tokens.tokens_out
        if budget.max_tokens is not None and tokens_in + tokens_out > budget.max_tokens:
            told = f"llm.budget.max_tokens {budget.max_tokens:,} would be spent in stage {stage.name}"
            return f"{told} ({tokens_in + tokens_out:,} tokens by its end): the run would stop there; raise it"
        if budget.max_cost is not None and (cost := prices.of_tokens(tokens_in, tokens_out)) > budget.max_cost:
            told = f"llm.budget.max_cost {budget.max_cost:g} {prices.currency} would be spent in stage {stage.name}"
            return f"{told} ({cost:.2f} by its end): the run would stop there; raise it"
    return None
