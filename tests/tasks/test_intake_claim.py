"""Claims of one process do not overlap: what falls free while one is out is filled together by the next."""

import asyncio
from typing import Any, cast

from devtools.servers import apoll
from guard.limits import Limiter
from guard.prefetch import PrefetchingLimiter
from tasks.flower_events import FlowerEvents
from tasks.intake import Intake
from tasks.slots import Slots
from telemetry.observer import silent


class SlowClaims:
    """Finds nothing, and answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, int]] = []
        self.out = 0
        self.most_out = 0
        self.answer = asyncio.Event()

    async def claim(self, queue_id: str | None, *, more: int, piggyback: object = None) -> list[Any]:
        self.asked.append((queue_id, more))
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        await self.answer.wait()
        self.out -= 1
        return []


class Gate:
    open = True


class IdleRunner:
    def stop(self) -> None:
        """No waits to end."""


async def test_a_task_waits_for_the_claim_before_it_and_then_asks_for_all_that_is_free() -> None:
    claims, slots = SlowClaims(), Slots(6)
    assert await slots.take(5) == 5
    intake = Intake(
        claims=cast("Any", claims), slots=slots, runner=cast("Any", IdleRunner()), gatekeeper=cast("Any", Gate()),
        flower=FlowerEvents(), ahead=PrefetchingLimiter(Limiter()), take_along=16, observer=silent,
    )  # fmt: skip
    tasks = [asyncio.create_task(intake.take(name, 0)) for name in ("one", "two", "three")]
    await apoll(lambda: claims.asked)
    slots.give(5)  # while the first claim is out
    await asyncio.sleep(0.02)
    assert claims.asked == [("one", 0)]
    assert sorted(intake.held) == ["one", "three", "two"]
    claims.answer.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert claims.asked == [("one", 0), ("two", 5), ("three", 5)]
    assert claims.most_out == 1
    assert slots.free == 6
    assert not intake.held
