import asyncio

from hnlm_ray.llm.rows.worker import SharedLock


def test_one_that_is_alone_has_nobody_beside_it_and_goes_before_those_that_come_later():
    events = []

    async def pass_through(gate, name, *, alone, seconds):
        async with gate.pass_through(alone=alone):
            events.append(f"{name} in")
            await asyncio.sleep(seconds)
            events.append(f"{name} out")

    async def play():
        gate = SharedLock()
        first = [asyncio.create_task(pass_through(gate, name, alone=False, seconds=0.05)) for name in "ab"]
        await asyncio.sleep(0.01)
        lone = asyncio.create_task(pass_through(gate, "lone", alone=True, seconds=0.02))
        await asyncio.sleep(0.01)
        late = asyncio.create_task(pass_through(gate, "late", alone=False, seconds=0))
        await asyncio.gather(*first, lone, late)

    asyncio.run(play())
    assert events == ["a in", "b in", "a out", "b out", "lone in", "lone out", "late in", "late out"]


def test_a_waiter_that_gives_up_does_not_block_the_others():
    async def play():
        gate = SharedLock()
        async with gate.pass_through(alone=False):
            waiting = asyncio.create_task(_enter(gate))
            await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.wait([waiting])
            async with asyncio.timeout(1):
                async with gate.pass_through(alone=False):
                    return True

    assert asyncio.run(play())


async def _enter(gate):
    async with gate.pass_through(alone=True):
        pass
