"""What was paid is not paid again because of a fault of ours: whatever is wrong with its verdict, the request ends."""

import asyncio
import json
from dataclasses import replace
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from umpire_ledger import House, stored

from completion.finisher import Finisher
from completion.judgement import Judgement, Spent
from contracts.enums import EssayComparisonWinner
from contracts.events import LLMComparisonResultV1
from contracts.http import LLMComparisonRequest
from contracts.settings import KafkaSettings, RetrySettings
from ledger.redis.connection import connect
from ledger.request import StoredRequest
from tasks.flower_events import FlowerEvents
from tasks.releaser import Releaser
from tasks.runner import Runner
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

    stopping = asyncio.Event()


class NoKafka:
    """A relay and a lifecycle that send nothing."""

    def send(self, *_: object, **__: object) -> None: ...


class OpenGate:
    open, broken, shut = True, False, None


class Absurd(PaidJudge):
    """Its cost fits no event either, be it of an error."""

    async def judge(self, claimed: StoredRequest, spent: Spent, **_: object) -> Judgement:
        good = await super().judge(claimed, spent)
        return replace(good, spent=good.spent.model_copy(update={"cost": float("inf")}))


@pytest.mark.parametrize("kind", [PaidJudge, Absurd])
@pytest.mark.parametrize("faulty", [False, True], ids=["event cannot be made", "finisher raises"])
async def test_a_verdict_that_cannot_be_told_ends_as_an_error(
    redis_url: str, kind: type[PaidJudge], *, faulty: bool
) -> None:
    redis: Redis = connect(redis_url, timeout=2.0)
    house, judge, notes, flower, nothing = House(redis), kind(), list[Note](), FlowerEvents(), cast("Any", NoKafka())
    faults = iter([RuntimeError("a fault")] if faulty else [])

    def sha256(_: LLMComparisonRequest) -> str:
        for fault in faults:
            raise fault
        return "0" * 64

    request = stored()
    await house.admit(request)
    claims = house.claims()
    runner = Runner(
        judge=cast("Any", judge),
        finisher=Finisher(claims.finish, nothing, nothing, KafkaSettings(), sha256_of=sha256, observer=notes.append),
        releaser=Releaser(claims, cast("Any", OpenGate()), nothing, flower, notes.append),
        gatekeeper=cast("Any", OpenGate()), own_topic="", lifecycle=nothing,
        settings=RetrySettings(queue_max_retries=0),
        observer=notes.append,
    )  # fmt: skip
    (claimed,) = await claims.claim(str(request.queue_id), more=0)
    await runner.run(claimed, None, holds=lambda: True)

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
