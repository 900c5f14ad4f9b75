"""From a judgement to the result event: whose metadata wins, which codes a consumer meets, if the cost is known."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from completion.finisher import failure_of
from completion.judgement import Judgement, Spent
from completion.result_event import result_of
from contracts import errors
from contracts.clock import utcnow
from contracts.enums import EssayComparisonWinner, LLMErrorCode, LLMProviderType, QueueStatus
from contracts.events import LLMComparisonResultV1, TokenUsage
from contracts.http import LLMComparisonRequest
from ledger.request import StoredRequest

#: As contracts.md has them; consumers parse no other.
ON_KAFKA = list(LLMErrorCode)[:15]

#: A request that is refused for one of these has no event.
AT_THE_DOOR = {
    LLMErrorCode.AUTHENTICATION_FAILED,
    LLMErrorCode.QUOTA_EXCEEDED,
    LLMErrorCode.IDEMPOTENCY_CONFLICT,
}

USAGE = TokenUsage(prompt_tokens=10, completion_tokens=5, total_tokens=15)


def stored(**metadata: Any) -> StoredRequest:
    now = utcnow()
    return StoredRequest(
        queue_id=uuid4(),
        correlation_id=uuid4(),
        request=LLMComparisonRequest(user_prompt="p", callback_topic="t", metadata=metadata),
        provider=LLMProviderType.MOCK,
        model="mock",
        requested_at=now,
        expires_at=now + timedelta(hours=1),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def verdict(spent: Spent | None = None) -> Judgement:
    return Judgement(
        model="mock-2",
        spent=spent or Spent().attempted().paid(USAGE, 0.5),
        seconds=1.2345,
        winner=EssayComparisonWinner.ESSAY_A,
        justification="A is clearer.",
        confidence=4.0,
        normalised=("justification_short",),
        ignored=("reasoning_effort",),
    )


def result(judgement: Judgement, request: StoredRequest | None = None) -> LLMComparisonResultV1:
    made = result_of(request or stored(), judgement, "abc")
    return LLMComparisonResultV1.model_validate_json(made.model_dump_json())


def test_a_verdict() -> None:
    request = stored(essay_a_id="1")
    made = result(verdict(), request)
    assert made.request_id == str(request.queue_id)
    assert made.correlation_id == request.correlation_id
    assert (made.winner, made.confidence, made.model, made.response_time_ms) == ("Essay A", 4.0, "mock-2", 1234)
    assert made.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert made.request_metadata == {
        "essay_a_id": "1",
        "prompt_sha256": "abc",
        "attempts": 1,
        "normalised": ["justification_short"],
        "ignored": ["reasoning_effort"],
        "cost_known": True,
    }


def test_the_callers_own_keys_win() -> None:
    own = {"prompt_sha256": None, "attempts": "mine", "cost_known": {"a": 1}, "normalised": 0, "ignored": False}
    assert result(verdict(), stored(**own)).request_metadata == own


@pytest.mark.parametrize(("prices", "total", "known"), [((0.5, 0.25), 0.75, True), ((0.5, None), 0.5, False)])
def test_the_cost_is_known_when_each_call_had_a_price(
    prices: tuple[float | None, ...], total: float, known: bool
) -> None:
    spent = Spent()
    for price in prices:
        spent = spent.attempted().paid(USAGE, price)
    made = result(verdict(spent))
    assert made.cost_estimate == total
    assert made.request_metadata["cost_known"] is known
    assert made.token_usage.total_tokens == 30
    assert made.request_metadata["attempts"] == 2


def test_what_was_spent_survives_the_ledger() -> None:
    spent = Spent(answers=1).attempted().paid(USAGE, 0.1).attempted()
    assert Spent.model_validate_json(spent.model_dump_json()) == spent
    assert spent.answers == 1


def test_only_a_failure_and_an_expiry_are_noted_as_failed_and_without_any_text() -> None:
    error = errors.ProviderUnavailable("the provider's own words", status=503)
    spent = Spent().attempted().called(0.25).attempted().called(0.5).paid(USAGE, 0.1)
    failed = verdict(spent).failed(error)
    request = stored()
    note = failure_of(request, failed, QueueStatus.FAILED)
    assert note is not None
    assert (note.what, note.level) == ("comparison.failed", "info")
    assert note.labels == {"provider": "mock", "status": "failed", "error_code": "LLM_PROVIDER_UNAVAILABLE"}
    assert 0 <= note.fields["waited"] < 10
    assert {**note.fields, "waited": 0} == {
        "queue_id": str(request.queue_id), "correlation_id": str(request.correlation_id), "model": "mock",
        "attempts": 2, "ms": 750, "cost": 0.1, "cost_known": True, "waited": 0,
    }  # fmt: skip
    assert "words" not in str(note)
    assert failure_of(request, failed, QueueStatus.EXPIRED) is not None
    assert failure_of(request, failed, QueueStatus.CANCELLED) is None
    assert failure_of(request, verdict(), QueueStatus.COMPLETED) is None
    assert failed.without_sums(error).spent.call_ms == 750


def tree(cls: type[errors.UmpireError]) -> list[type[errors.UmpireError]]:
    return [cls, *(deeper for sub in cls.__subclasses__() for deeper in tree(sub))]


ENDINGS = [cls for cls in tree(errors.UmpireError) if cls.code not in AT_THE_DOOR]


@pytest.mark.parametrize("error", ENDINGS, ids=lambda cls: cls.__name__)
def test_an_error_has_a_code_that_consumers_know(error: type[errors.UmpireError]) -> None:
    made = result(verdict().failed(error("what happened", reason="own")))
    assert (made.winner, made.justification, made.confidence) == (None, None, None)
    assert made.error_detail is not None
    detail = made.error_detail
    assert detail.error_code in ON_KAFKA
    assert detail.details["reason"] == ("own" if error.code in ON_KAFKA else error.code.value)
    assert (detail.service, detail.stack_trace, detail.message) == ("llm_provider_service", None, "what happened")


def test_an_expired_request_is_a_timeout_to_consumers() -> None:
    detail = result(verdict().failed(errors.RequestExpired("late"))).error_detail
    assert detail is not None
    assert (detail.error_code, detail.details["reason"]) == ("LLM_PROVIDER_TIMEOUT", "LLM_REQUEST_EXPIRED")
