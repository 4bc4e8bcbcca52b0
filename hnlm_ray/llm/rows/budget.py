"""What the LLM may spend: a ledger that all engines of a stage ask before each request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

import ray
from ray.actor import ActorHandle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from hnlm_ray.config import LLMConfig
from hnlm_ray.llm.engines.base import Generated, Request

_CHARS_PER_TOKEN = 3
_LOOK_AGAIN_S = 0.1
Amount = tuple[int, int]
"""Tokens read and written."""
Verdict = Literal["yes", "wait", "no"]


@dataclass
class Ledger:
    """Tokens spent, and set aside by each engine's process; ``llm.budget`` limits both together."""

    llm: LLMConfig
    spent: Amount = (0, 0)
    held: dict[str, Amount] = field(default_factory=dict)

    def reserve(self, owner: str, wanted: Amount) -> Verdict:
        """Set aside what a request may take; 'wait': it may fit once others are settled; 'no': it never will."""
        if not self._fits(_sum(self.spent, wanted)):
            return "no"
        if not self._fits(_sum(self.spent, wanted, *self.held.values())):
            return "wait"
        self.held[owner] = _sum(self.held.get(owner, (0, 0)), wanted)
        return "yes"

    def _fits(self, amount: Amount) -> bool:
        limit, cost = self.llm.budget, self.llm.prices.of_tokens(*amount)
        fits = limit.max_tokens is None or sum(amount) <= limit.max_tokens
        return fits and (limit.max_cost is None or cost <= limit.max_cost)

    def settle(self, owner: str, reserved: Amount, spent: Amount) -> None:
        """Replace what was set aside for a request by what it took."""
        tokens_in, tokens_out = self.held.get(owner, (0, 0))
        self.held[owner] = (max(0, tokens_in - reserved[0]), max(0, tokens_out - reserved[1]))
        self.spent = _sum(self.spent, spent)

    def forget(self, owner: str) -> None:
        """Give back what a process had set aside that is gone."""
        self.held.pop(owner, None)


def _sum(*amounts: Amount) -> Amount:
    return sum(amount[0] for amount in amounts), sum(amount[1] for amount in amounts)


def open_ledger(llm: LLMConfig, spent: Amount) -> ActorHandle | None:
    """Return a ledger as a Ray actor on the driver's node, if there is a budget; ``spent`` was spent before."""
    if llm.budget.max_tokens is None and llm.budget.max_cost is None:
        return None
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(Ledger).remote(llm, spent)


def most_tokens(request: Request) -> tuple[int, int]:
    """Estimate what a request takes at most: its text at three characters a token, and the longest answer."""
    return sum(len(message["content"]) for message in request.messages) // _CHARS_PER_TOKEN, request.max_tokens


class BudgetPurse:
    """One engine's way to the ledger."""

    def __init__(self, ledger: ActorHandle) -> None:
        self._ledger = ledger
        self._owner: str = ray.get_runtime_context().get_actor_id()
        ray.get(ledger.forget.remote(self._owner))  # it may have died and be here again

    async def reserve(self, request: Request) -> bool:
        """See :class:`~hnlm_ray.llm.rows.attempts.Purse`."""
        while True:
            verdict: Verdict = await self._ledger.reserve.remote(self._owner, most_tokens(request))
            if verdict != "wait":
                return verdict == "yes"
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def settle(self, request: Request, generated: Generated) -> None:
        """See :class:`~hnlm_ray.llm.rows.attempts.Purse`."""
        spent = generated.tokens_in, generated.tokens_out
        await self._ledger.settle.remote(self._owner, most_tokens(request), spent)
