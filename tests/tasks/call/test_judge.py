"""One claim's calls: what the judge returns, what it counts and publishes, and when it raises instead."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from umpire_events import Remembered
from umpire_ledger import stored

from completion.judgement import Judgement, Spent
from contracts.enums import CircuitState, LLMErrorCode
from contracts.errors import InternalError, InvalidPrompt, ProviderRateLimited, ProviderUnavailable
from contracts.events import LLMCostTrackingV1, LLMProviderFailureV1, LLMRequestStartedV1
from guard.limits import Limiter, Reservation
from guard.prefetch import PrefetchingLimiter
from guard.retry import RetryPolicy
from guard.slow_start import SlowStart
from ledger.request import StoredRequest
from providers.base import Call, ProviderAnswer, StopReason, Usage
from providers.models.manifest import Manifest
from providers.models.model_info import ModelInfo
from tasks.call.claim_state import NotNow
from tasks.call.judge import Judge
from tasks.call.permit_queue import PermitQueue

VERDICT = json.dumps({"winner": "Essay A", "justification": "A has the clearer argument.", "confidence": 4})
REQUEST = stored()


def answer(text: str = VERDICT) -> ProviderAnswer:
    return ProviderAnswer(text, "mock-2", Usage(80, 20), StopReason.END)


class Provider:
    """Answers its calls in order: with an answer, or by raising an error."""

    def __init__(self, *outcomes: ProviderAnswer | Exception) -> None:
        self.outcomes = list(outcomes)
        self.attempts: list[str] = []

    async def model_info(self, _: str) -> ModelInfo:
        return Manifest.load().default(REQUEST.provider)

    async def complete(self, call: Call) -> ProviderAnswer:
        self.attempts.append(call.attempt_id)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Holds:
    models: dict[str, Any] = {}
    automatic = True


class Gatekeeper:
    """Open, unless `shut` is set; keeps notes and pauses."""

    def __init__(self) -> None:
        self.holds = Holds()
        self.shut: str | None = None
        self.pauses: list[float] = []
        self.note = Remembered()

    def announce(self, transition: object) -> None: ...

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Breaker:
    """Counts what it is told; stays closed."""

    known = CircuitState.CLOSED

    def __init__(self) -> None:
        self.successes = 0
        self.failures: list[Exception] = []

    def succeeded(self, _: float) -> None:
        self.successes += 1

    async def failed(self, error: Exception, _: float) -> None:
        self.failures.append(error)


class Lifecycle(list[Any]):
    def send(self, event: object, *_: object, **__: object) -> None:
        self.append(event)


class House:
    def __init__(self, *outcomes: ProviderAnswer | Exception, limiter: Any = None, attempts: int = 3) -> None:
        self.provider, self.gatekeeper, self.breaker = Provider(*outcomes), Gatekeeper(), Breaker()
        self.lifecycle, self.notes = Lifecycle(), Remembered()
        self.judge = Judge(
            cast("Any", self.provider),
            limiter=PrefetchingLimiter(limiter or Limiter()),
            breaker=cast("Any", self.breaker),
            gatekeeper=cast("Any", self.gatekeeper),
            pace=SlowStart(4, 60.0),
            permits=PermitQueue(),
            policy=RetryPolicy(attempts, deadline=5.0, attempt_timeout=2.0, initial=0.001, retry_after_max=1.0),
            lifecycle=cast("Any", self.lifecycle),
            observer=self.notes,
        )

    async def __call__(
        self, spent: Spent | None = None, holds: Callable[[], bool] = lambda: True, request: StoredRequest = REQUEST
    ) -> Judgement:
        return await self.judge.judge(request, spent or Spent(), holds=holds)

    def events(self, kind: type) -> list[Any]:
        return [event for event in self.lifecycle if isinstance(event, kind)]


async def test_a_verdict_and_what_it_cost() -> None:
    house = House(answer())
    judgement = await house(Spent().attempted())
    assert (judgement.winner, judgement.confidence, judgement.error) == ("Essay A", 4.0, None)
    assert (judgement.model, judgement.spent.attempts, judgement.spent.usage.total_tokens) == ("mock-2", 2, 100)
    assert house.provider.attempts == [f"{REQUEST.queue_id}.2"], "numbered over all claims"
    assert house.breaker.successes == 1
    assert len(house.events(LLMRequestStartedV1)) == 1
    (cost,) = house.events(LLMCostTrackingV1)
    assert cost.token_usage == {"prompt_tokens": 80, "completion_tokens": 20, "total_tokens": 100}
    counted = {note.labels["kind"]: note.value for note in house.notes.named("call.tokens")}
    assert counted == {"input": 80, "output": 20}


async def test_an_attempt_that_fails_is_repeated_and_reported() -> None:
    house = House(ProviderUnavailable("down"), answer())
    judgement = await house()
    assert judgement.winner == "Essay A"
    assert judgement.spent.attempts == 2
    assert [type(error) for error in house.breaker.failures] == [ProviderUnavailable]
    (failure,) = house.events(LLMProviderFailureV1)
    assert failure.circuit_breaker_opened is False
    outcomes = [note.labels["outcome"] for note in house.gatekeeper.note.named("call.finished")]
    assert outcomes == [LLMErrorCode.PROVIDER_UNAVAILABLE.value]


async def test_the_error_of_the_last_attempt_is_the_claims() -> None:
    house = House(*[ProviderUnavailable("down")] * 3)
    judgement = await house()
    assert isinstance(judgement.error, ProviderUnavailable)
    assert (judgement.winner, judgement.spent.attempts) == (None, 3)
    assert judgement.spent.last_error == LLMErrorCode.PROVIDER_UNAVAILABLE.value


async def test_an_answer_without_a_verdict_is_paid_and_asked_for_once_more() -> None:
    house = House(answer("I like both."), answer("I still do."), answer())
    judgement = await house()
    assert judgement.error is not None
    assert (judgement.spent.attempts, judgement.spent.answers) == (2, 2)
    assert judgement.spent.usage.total_tokens == 200


async def test_an_error_that_no_call_can_change_is_not_repeated() -> None:
    house = House(InvalidPrompt("no"), answer())
    assert isinstance((await house()).error, InvalidPrompt)
    assert len(house.provider.attempts) == 1


async def test_a_fault_of_ours_during_a_call_ends_the_claim_at_an_unknown_cost() -> None:
    house = House(RuntimeError("a fault"), answer())
    judgement = await house()
    assert isinstance(judgement.error, InternalError)
    assert (judgement.spent.attempts, judgement.spent.cost_known) == (1, False)
    assert len(house.notes.named("error.unexpected")) == 1


@pytest.mark.parametrize("why", ["stopping", "lease", "breaker"])
async def test_no_call_starts_when_it_must_not(why: str) -> None:
    house, spent = House(answer()), Spent().attempted()
    house.gatekeeper.shut = "breaker" if why == "breaker" else None
    if why == "stopping":
        house.judge.stop()
    with pytest.raises(NotNow, match=why) as raised:
        await house(spent, holds=lambda: why != "lease")
    assert raised.value.spent == spent
    assert house.provider.attempts == []


class UsedUp(Limiter):
    """A rate limit that grants some calls and then asks for patience."""

    def __init__(self, grants: int) -> None:
        self.grants = grants

    async def reserve(self, model: str, tokens: int) -> Reservation:
        self.grants -= 1
        return Reservation(model, tokens, granted=self.grants >= 0, pause=7.0)


async def test_a_claim_that_finds_the_rate_limit_used_up_makes_no_call() -> None:
    house = House(answer(), limiter=UsedUp(0))
    with pytest.raises(NotNow, match="rate_limit") as raised:
        await house()
    assert raised.value.seconds == 7.0
    assert house.gatekeeper.pauses == [], "the runner pauses the provider"


async def test_after_a_call_that_failed_a_used_up_rate_limit_costs_a_try() -> None:
    """Otherwise two requests that always fail would be released for ever."""
    house = House(ProviderRateLimited("slow down"), limiter=UsedUp(1))
    judgement = await house()
    assert isinstance(judgement.error, ProviderRateLimited)
    assert house.gatekeeper.pauses == [7.0]


async def test_a_wait_between_attempts_ends_when_the_process_stops() -> None:
    house = House(ProviderRateLimited("slow down", retry_after=0.9), answer())
    judging = asyncio.create_task(house())
    while not house.provider.attempts:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    house.judge.stop()
    judgement = await asyncio.wait_for(judging, 0.5)
    assert isinstance(judgement.error, ProviderRateLimited)
