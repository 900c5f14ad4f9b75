"""What was paid is not paid again because of a fault of ours: whatever is wrong with its verdict, the request ends."""

import json
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from umpire_ledger import House, stored

from contracts.enums import EssayComparisonWinner, QueueStatus
from contracts.events import LLMComparisonResultV1
from contracts.settings import KafkaSettings
from events.ending import ending_of
from events.result import Judgement, Spent
from guard.deferral import DeferralPolicy
from guard.limits import Unlimited
from guard.prefetch import PrefetchingLimiter
from ledger.completion import CompletedBy
from ledger.connection import connect
from ledger.request import StoredRequest
from tasks.permission import Permission
from tasks.rows import Rows
from tasks.runner import Runner
from tasks.slots import Slots
from telemetry.observer import Note


class PaidJudge:
    """A verdict that was paid for, and cannot be told: its confidence fits no event."""

    calls = 0

    async def judge(self, claimed: StoredRequest, spent: Spent, **_: object) -> Judgement:
        self.calls += 1
        return Judgement(
            model=claimed.model, spent=spent.attempted(), winner=EssayComparisonWinner.ESSAY_A, justification="so",
            confidence=99.0,
        )  # fmt: skip

    def completed(self, *_: object) -> None: ...


class QuietHook:
    bound = staticmethod(lambda _: nullcontext())

    def ending(self, request: StoredRequest, judgement: Judgement, state: QueueStatus, who: CompletedBy) -> Any:
        return ending_of(request, judgement, state, who, prompt_sha256="0" * 64, settings=KafkaSettings())

    def status(self, *_: object) -> None: ...
    def publish(self, *_: object) -> None: ...
    def ended(self, *_: object) -> None: ...


class OpenGate:
    open, broken, shut = True, False, None


class Absurd(PaidJudge):
    """Its cost fits no event either, be it of an error."""

    async def judge(self, claimed: StoredRequest, spent: Spent, **_: object) -> Judgement:
        good = await super().judge(claimed, spent)
        return replace(good, spent=good.spent.model_copy(update={"cost": float("inf")}))


@pytest.mark.parametrize("kind", [PaidJudge, Absurd])
@pytest.mark.parametrize("faulty_ending", [False, True], ids=["event cannot be made", "hook raises"])
async def test_a_verdict_that_cannot_be_told_ends_as_an_error(
    redis_url: str, kind: type[PaidJudge], *, faulty_ending: bool
) -> None:
    redis: Redis = connect(redis_url, timeout=2.0)
    house, judge, hook, notes = House(redis), kind(), QuietHook(), list[Note]()
    if faulty_ending:
        make, faults = hook.ending, iter([RuntimeError("a fault")])

        def ending(*arguments: Any) -> Any:
            for fault in faults:
                raise fault
            return make(*arguments)

        hook.ending = ending  # type: ignore[assignment, method-assign]
    request = stored()
    await house.admit(request)
    runner = Runner(
        claims=house.claims(), slots=Slots(1), judge=cast("Any", judge), hook=cast("Any", hook),
        gatekeeper=cast("Any", OpenGate()), rows=Rows(), ahead=PrefetchingLimiter(Unlimited()),
        permission=Permission(""),
        deferral=DeferralPolicy(tries=0, waits=(1.0,)),
        take_along=1, observer=notes.append,
    )  # fmt: skip
    await runner.take(str(request.queue_id), 0)
    assert await runner.drain(5) == 0

    (entry,) = await house.entries()
    result = LLMComparisonResultV1.model_validate_json(_data(entry[1][b"e"]))
    assert result.error_detail is not None
    assert result.error_detail.error_code == "LLM_INTERNAL_ERROR"
    assert result.request_metadata["attempts"] == 1
    assert result.request_metadata["cost_known"] is (kind is PaidJudge)
    assert (await house.record(request.queue_id))["s"] == b"failed"
    assert judge.calls == 1
    assert any(note.what == "error.unexpected" for note in notes)
    await redis.aclose()


def _data(envelope: bytes) -> str:
    return json.dumps(json.loads(envelope)["data"])
