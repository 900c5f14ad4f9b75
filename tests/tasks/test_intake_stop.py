"""A worker that is told to stop does not wait for a ledger that does not answer, unless it holds a paid verdict."""

import asyncio
from typing import Any, cast

import pytest
from redis.exceptions import ReadOnlyError

from guard.limits import Limiter
from guard.prefetch import PrefetchingLimiter
from tasks.flower_events import FlowerEvents
from tasks.intake import Intake
from tasks.slots import Slots
from telemetry.observer import silent


class AwayClaims:
    tried = 0

    async def claim(self, queue_id: str | None, *, more: int, piggyback: object = None) -> list[Any]:
        self.tried += 1
        raise ReadOnlyError


class OpenGate:
    open = True


class IdleRunner:
    def stop(self) -> None:
        """No waits to end."""


async def test_a_claim_that_waits_for_the_ledger_ends_with_the_process() -> None:
    claims, slots = AwayClaims(), Slots(1)
    intake = Intake(
        claims=cast("Any", claims), slots=slots, runner=cast("Any", IdleRunner()), gatekeeper=cast("Any", OpenGate()),
        flower=FlowerEvents(), ahead=PrefetchingLimiter(Limiter()), take_along=1, observer=silent,
    )  # fmt: skip
    taking = asyncio.create_task(intake.take("11111111-1111-4111-8111-111111111111", 0))
    while claims.tried < 2:  # it waits, and tries again
        await asyncio.sleep(0.01)
    assert not taking.done()
    intake.stop()
    with pytest.raises(ReadOnlyError):
        await asyncio.wait_for(taking, 5)
    assert slots.free == 1
    assert not intake.held
