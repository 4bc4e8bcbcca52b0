"""A clock for tests of what waits."""

import asyncio
import heapq
import itertools

from hnlm_ray.llm.engines.http.rate_limits import Clock


class FakeTime:
    """A clock that jumps to the next sleeper as soon as nobody else has anything to do."""

    def __init__(self):
        self.time, self._sleepers, self._numbers = 1000.0, [], itertools.count()
        self.clock = Clock(lambda: self.time, self.sleep)

    async def sleep(self, seconds):
        wake = asyncio.Event()
        heapq.heappush(self._sleepers, (self.time + seconds, next(self._numbers), wake))
        await wake.wait()

    async def run(self, work):
        task = asyncio.ensure_future(work)
        while not task.done():
            for _ in range(20):
                await asyncio.sleep(0)
            if self._sleepers and not task.done():
                self.time, _, wake = heapq.heappop(self._sleepers)
                wake.set()
        return await task
