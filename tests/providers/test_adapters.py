"""Every adapter with its real SDK against aimock: what each fault becomes, and that each call is one call upstream."""

import asyncio
import json
from typing import Any

import pytest

from contracts import errors
from contracts.enums import LLMProviderType
from devtools.aimock import Aimock
from devtools.providers import KEY, PROMPT, REAL, VERDICT, call_for, connected
from providers.answers.verdict import parse_verdict
from providers.base import StopReason

pytestmark = pytest.mark.aimock

every = pytest.mark.parametrize("provider", REAL)

ANY = {"match": {"userMessage": "Essay"}}


def text_fixture(text: str, **more: Any) -> dict[str, Any]:
    return {**ANY, "response": {"content": text, **more}}


def error_fixture(status: int, kind: str, retry_after: float | None = None) -> dict[str, Any]:
    response: dict[str, Any] = {"error": {"message": "no, " + PROMPT, "type": kind}, "status": status}
    if retry_after is not None:
        response["retryAfter"] = retry_after
    return {**ANY, "response": response}


async def fail(aimock: Aimock, provider: LLMProviderType, expected: type[errors.UmpireError]) -> errors.UmpireError:
    """The error of one call, which was one call upstream; it shows neither prompt nor key."""
    async with connected(provider, aimock.url) as adapter:
        with pytest.raises(errors.UmpireError) as caught:
            await adapter.complete(call_for(provider))
    assert type(caught.value) is expected
    assert len(aimock.journal()) == 1
    shown = f"{caught.value!r} {caught.value} {caught.value.details}"
    assert KEY not in shown
    assert "The sea" not in shown
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@every
async def test_a_verdict_costs_one_call_that_names_its_attempt(aimock: Aimock, provider: LLMProviderType) -> None:
    aimock.set_fixtures([text_fixture(json.dumps(VERDICT))])
    async with connected(provider, aimock.url) as adapter:
        completion = await adapter.complete(call_for(provider, attempt="queue-7:attempt-2"))
    verdict = parse_verdict(completion)
    assert (verdict.winner.value, verdict.confidence) == (VERDICT["winner"], VERDICT["confidence"])
    assert verdict.normalised == ()
    assert completion.stop_reason is StopReason.END
    assert len(aimock.journal()) == 1
    assert aimock.requests()[0]["headers"]["x-umpire-attempt"] == "queue-7:attempt-2"


@every
async def test_429_with_retry_after(aimock: Aimock, provider: LLMProviderType) -> None:
    aimock.set_fixtures([error_fixture(429, "rate_limit_error", 7)])
    error = await fail(aimock, provider, errors.ProviderRateLimited)
    assert error.retry_after == 7
    assert not errors.is_permanent(error)


@every
@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (529, "overloaded_error", errors.ProviderUnavailable),
        (503, "unavailable", errors.ProviderUnavailable),
        (502, "bad_gateway", errors.ProviderUnavailable),
        (500, "api_error", errors.ProviderServerError),
        (504, "timeout_error", errors.ProviderTimeout),
        (408, "timeout_error", errors.ProviderTimeout),
        (401, "authentication_error", errors.ProviderMisconfigured),
        (403, "permission_error", errors.ModelForbidden),
        (404, "not_found_error", errors.InvalidConfig),
        (413, "request_too_large", errors.ContentTooLong),
        (400, "invalid_request_error", errors.ProviderRejected),
        (402, "billing_error", errors.SpendLimitReached),
    ],
)
async def test_an_error_status(
    aimock: Aimock, provider: LLMProviderType, status: int, kind: str, expected: type[errors.UmpireError]
) -> None:
    aimock.set_fixtures([error_fixture(status, kind)])
    error = await fail(aimock, provider, expected)
    assert error.details["status_code"] == status


@every
async def test_a_malformed_body(aimock: Aimock, provider: LLMProviderType) -> None:
    aimock.set_fixtures([{**text_fixture(json.dumps(VERDICT)), "chaos": {"malformedRate": 1.0}}])
    await fail(aimock, provider, errors.ParsingError)


@every
async def test_a_truncated_answer(aimock: Aimock, provider: LLMProviderType) -> None:
    aimock.set_fixtures([text_fixture(json.dumps(VERDICT)[:40], finishReason="length")])
    async with connected(provider, aimock.url) as adapter:
        completion = await adapter.complete(call_for(provider))
    assert completion.stop_reason is StopReason.LENGTH
    with pytest.raises(errors.InvalidResponse) as caught:
        parse_verdict(completion)
    assert caught.value.details["reason"] == "truncated"
    assert len(aimock.journal()) == 1


@every
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Essay B is the better one.", errors.ParsingError),
        ('{"winner": "Essay C", "justification": "neither", "confidence": 3}', errors.InvalidResponse),
    ],
)
async def test_structured_output_ignored(
    aimock: Aimock, provider: LLMProviderType, text: str, expected: type[errors.AnswerError]
) -> None:
    aimock.set_fixtures([text_fixture(text)])
    async with connected(provider, aimock.url) as adapter:
        completion = await adapter.complete(call_for(provider))
    with pytest.raises(expected):
        parse_verdict(completion)
    assert len(aimock.journal()) == 1


@every
async def test_a_lost_connection_is_not_tried_again(aimock: Aimock, provider: LLMProviderType) -> None:
    """The Google SDK does that by itself, after a wait of up to 10 s, unless it is told not to."""
    aimock.set_fixtures([{**text_fixture(json.dumps(VERDICT)), "chaos": {"disconnectRate": 1.0}}])
    await fail(aimock, provider, errors.ProviderUnavailable)


@every
async def test_a_dropped_call(aimock: Aimock, provider: LLMProviderType) -> None:
    """aimock's "drop" answers 500."""
    aimock.set_fixtures([{**text_fixture(json.dumps(VERDICT)), "chaos": {"dropRate": 1.0}}])
    await fail(aimock, provider, errors.ProviderServerError)


@every
async def test_a_timeout_leaves_the_client_usable(aimock: Aimock, provider: LLMProviderType) -> None:
    aimock.set_fixtures([text_fixture(json.dumps(VERDICT))])
    async with connected(provider, aimock.url, concurrency=1) as adapter:
        call = call_for(provider)
        await adapter.complete(call)
        aimock.set_fixtures([{**text_fixture(json.dumps(VERDICT)), "chaos": {"latencyMs": 30_000}}])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await adapter.complete(call)
        aimock.set_fixtures([text_fixture(json.dumps(VERDICT))])
        async with asyncio.timeout(20):
            assert parse_verdict(await adapter.complete(call)).confidence == 4
    assert len(aimock.requests()) == 3


@every
async def test_nobody_listens(provider: LLMProviderType, unused_tcp_port: int) -> None:
    async with connected(provider, f"http://127.0.0.1:{unused_tcp_port}") as adapter:
        with pytest.raises(errors.ProviderUnavailable):
            await adapter.complete(call_for(provider))
