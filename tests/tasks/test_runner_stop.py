"""A worker that is told to stop does not wait for a ledger that does not answer, unless it holds a paid verdict."""

import asyncio
from typing import Any, cast

import pytest
from redis.exceptions import ReadOnlyError

from guard.deferral import DeferralPolicy
from guard.limits import Unlimited
from guard.prefetch import PrefetchingLimiter
from tasks.permission import Permission
from tasks.rows import Rows
from tasks.runner import Runner
from tasks.slots import Slots
from telemetry.observer import silent


class AwayClaims:
    tried = 0

    async def claim(self, queue_id: str | None, *, more: int, piggyback: object = None) -> list[Any]:
        self.tried += 1
        raise ReadOnlyError


class OpenGate:
    open = True


class IdleJudge:
    def stop(self) -> None:
        """No waits to end."""


async def test_a_claim_that_waits_for_the_ledger_ends_with_the_process() -> None:
    claims, slots = AwayClaims(), Slots(1)
    runner = Runner(
        claims=cast("Any", claims), slots=slots, judge=cast("Any", IdleJudge()), hook=cast("Any", None),
        gatekeeper=cast("Any", OpenGate()), rows=Rows(), ahead=PrefetchingLimiter(Unlimited()),
        permission=Permission(""),
        deferral=DeferralPolicy(tries=0, waits=(1.0,)),
        take_along=1, observer=silent,
    )  # fmt: skip
    taking = asyncio.create_task(runner.take("11111111-1111-4111-8111-111111111111", 0))
    while claims.tried < 2:  # it waits, and tries again
        await asyncio.sleep(0.01)
    assert not taking.done()
    runner.stop()
    with pytest.raises(ReadOnlyError):
        await asyncio.wait_for(taking, 5)
    assert slots.free == 1
    assert not runner.held
