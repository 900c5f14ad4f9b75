"""What each provider's own way of answering becomes, against an upstream of ours that answers exactly so."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from contracts import errors
from contracts.enums import LLMProviderType
from devtools.providers import KEY, PATHS, PROMPT, REAL, body_of, call_for, connected
from devtools.upstream import answer, drip, drop, drop_midway, hang, upstream
from providers.answers.error_mapping import ErrorFormat, error_of_object
from providers.answers.verdict import parse_verdict
from providers.base import ProviderAnswer, RateHeaders, StopReason

ANTHROPIC, OPENAI, GOOGLE, OPENROUTER = REAL

every = pytest.mark.parametrize("provider", REAL)


async def complete(provider: LLMProviderType, *answers: Callable[..., Any]) -> ProviderAnswer:
    async with upstream(*answers) as server, connected(provider, server.url) as adapter:
        try:
            return await adapter.complete(call_for(provider))
        finally:
            assert len(server.calls) == 1, "one call is one call upstream"


async def fail(provider: LLMProviderType, *answers: Callable[..., Any]) -> errors.UmpireError:
    with pytest.raises(errors.UmpireError) as caught:
        await complete(provider, *answers)
    shown = f"{caught.value!r} {caught.value} {caught.value.details}"
    assert KEY not in shown
    assert "The sea" not in shown
    return caught.value


@every
async def test_tokens_are_counted_whole(provider: LLMProviderType) -> None:
    """However a provider counts: input with the cached tokens in it, output with the reasoning in it."""
    usage = (await complete(provider, answer(200, body_of(provider)))).usage
    assert (usage.input_tokens, usage.output_tokens) == (150, 50)
    assert (usage.cached_tokens, usage.reasoning_tokens) == (30, 10)
    assert usage.as_token_usage().total_tokens == 200
    assert usage.cache_write_tokens == (20 if provider in {ANTHROPIC, OPENAI} else 0)
    assert usage.cache_write_1h_tokens == (5 if provider is ANTHROPIC else 0)
    assert usage.reported_cost == (0.00042 if provider is OPENROUTER else None)


async def test_thoughts_are_no_answer() -> None:
    for provider in REAL:
        assert parse_verdict(await complete(provider, answer(200, body_of(provider)))).confidence == 4


async def test_a_forced_tool_call_is_an_answer() -> None:
    block = {"type": "tool_use", "id": "t", "name": "submit_verdict", "input": {"winner": "Essay A"}}
    body = body_of(ANTHROPIC, content=[{"type": "text", "text": "Well."}, block], stop_reason="tool_use")
    completion = await complete(ANTHROPIC, answer(200, body))
    assert completion.text == '{"winner":"Essay A"}'
    assert completion.stop_reason is StopReason.END


@pytest.mark.parametrize(
    ("provider", "changes", "stop"),
    [
        (ANTHROPIC, {"stop_reason": "max_tokens"}, StopReason.LENGTH),
        (ANTHROPIC, {"stop_reason": "refusal"}, StopReason.REFUSAL),
        (ANTHROPIC, {"stop_reason": "model_context_window_exceeded"}, StopReason.CONTEXT),
        (ANTHROPIC, {"stop_reason": "something_new"}, StopReason.OTHER),
        (OPENAI, {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, StopReason.LENGTH),
        (OPENAI, {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, StopReason.REFUSAL),
        (
            OPENAI,
            {"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]},
            StopReason.REFUSAL,
        ),
        (GOOGLE, {"candidates": [{"finishReason": "MAX_TOKENS"}]}, StopReason.LENGTH),
        (GOOGLE, {"candidates": [{"finishReason": "CONTINUATION", "continuationToken": "x"}]}, StopReason.LENGTH),
        (GOOGLE, {"candidates": [{"finishReason": "SAFETY"}]}, StopReason.REFUSAL),
        (GOOGLE, {"candidates": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, StopReason.REFUSAL),
        (OPENROUTER, {"choices": [{"finish_reason": "length", "message": {"content": "{"}}]}, StopReason.LENGTH),
        (
            OPENROUTER,
            {"choices": [{"finish_reason": "content_filter", "message": {"content": None}}]},
            StopReason.REFUSAL,
        ),
        (OPENROUTER, {"choices": [{"finish_reason": "stop", "message": {"refusal": "no"}}]}, StopReason.REFUSAL),
    ],
)
async def test_why_an_answer_stopped(provider: LLMProviderType, changes: dict[str, Any], stop: StopReason) -> None:
    completion = await complete(provider, answer(200, body_of(provider, **changes)))
    assert completion.stop_reason is stop
    if stop is not StopReason.OTHER:
        with pytest.raises(errors.UmpireError):
            parse_verdict(completion)


@pytest.mark.parametrize(
    ("provider", "status", "body", "expected"),
    [
        (ANTHROPIC, 429, {"error": {"type": "rate_limit_error", "message": "m",
            "details": {"error_code": "enforced_spend_limit_reached"}}}, errors.SpendLimitReached),
        (ANTHROPIC, 429, {"error": {"type": "rate_limit_error", "message": "m",
            "details": {"error_code": "contract_spend_limit_reached"}}}, errors.SpendLimitReached),
        (ANTHROPIC, 400, {"error": {"type": "billing_error", "message": "m"}}, errors.SpendLimitReached),
        (ANTHROPIC, 429, {"error": {"type": "rate_limit_error",
            "message": "enforced_spend_limit_reached insufficient_quota"}}, errors.ProviderRateLimited),
        (ANTHROPIC, 400, {"error": {"type": "invalid_request_error", "message": "429 rate limit"}},
            errors.ProviderRejected),
        (OPENAI, 429, {"error": {"code": "insufficient_quota", "type": "insufficient_quota", "message": "m"}},
            errors.SpendLimitReached),
        (OPENAI, 429, {"error": {"code": "rate_limit_exceeded", "type": "tokens", "message": "m"}},
            errors.ProviderRateLimited),
        (OPENAI, 400, {"error": {"code": "context_length_exceeded", "type": "invalid_request_error", "message": "m"}},
            errors.ContentTooLong),
        (OPENAI, 400, {"error": {"code": "content_filter", "message": "m"}}, errors.InvalidPrompt),
        (OPENAI, 404, {"error": {"code": "model_not_found", "message": "m"}}, errors.InvalidConfig),
        (OPENAI, 200, {"status": "failed", "error": {"code": "server_error", "message": "m"}},
            errors.ProviderServerError),
        (OPENAI, 200, {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "m"}},
            errors.ProviderRateLimited),
        (OPENAI, 200, {"status": "failed", "error": {"code": "invalid_prompt", "message": "m"}}, errors.InvalidPrompt),
        (GOOGLE, 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "m", "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}},
            errors.ProviderMisconfigured),
        (GOOGLE, 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "m"}}, errors.ProviderRejected),
        (GOOGLE, 503, {"error": {"code": 503, "status": "UNAVAILABLE", "message": "m"}}, errors.ProviderUnavailable),
        (GOOGLE, 504, {"error": {"code": 504, "status": "DEADLINE_EXCEEDED", "message": "m"}}, errors.ProviderTimeout),
        (OPENROUTER, 402, {"error": {"code": 402, "message": "m"}}, errors.SpendLimitReached),
        (OPENROUTER, 403, {"error": {"code": 403, "message": "m"}}, errors.ModelForbidden),
        (OPENROUTER, 403, {"error": {"code": 403, "message": "m", "metadata": {
            "reasons": ["violence"], "flagged_input": "The sea"}}}, errors.InvalidPrompt),
        (OPENROUTER, 400, {"error": {"code": 400, "message": "m", "metadata": {
            "error_type": "context_length_exceeded"}}}, errors.ContentTooLong),
        (OPENROUTER, 200, {"error": {"code": 502, "message": "m"}, "choices": None}, errors.ProviderUnavailable),
        (OPENROUTER, 200, {"error": {"code": 429, "message": "m"}}, errors.ProviderRateLimited),
        (OPENROUTER, 200, {"error": {"code": 402, "message": "m"}}, errors.SpendLimitReached),
        (OPENROUTER, 200, {"error": {"code": "weird", "message": "m"}}, errors.ProviderServerError),
        (OPENROUTER, 200, {"error": {"message": "m"}}, errors.ProviderServerError),
        (OPENROUTER, 200, {"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "m"},
            "message": {"content": ""}}]}, errors.ProviderUnavailable),
        (OPENROUTER, 200, {"choices": None}, errors.ParsingError),
    ],
)  # fmt: skip
async def test_structured_codes_decide(
    provider: LLMProviderType, status: int, body: Any, expected: type[errors.UmpireError]
) -> None:
    assert type(await fail(provider, answer(status, body))) is expected


@every
async def test_429_without_a_hint_has_no_retry_after(provider: LLMProviderType) -> None:
    error = await fail(provider, answer(429, {"error": {"message": "slow down"}}))
    assert type(error) is errors.ProviderRateLimited
    assert error.retry_after is None


async def test_where_the_wait_is_told() -> None:
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    soon_as_date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
    retry_info = {"error": {"details": [{"@type": "x/RetryInfo", "retryDelay": "60s"}]}}
    told: list[tuple[LLMProviderType, dict[str, str], Any]] = [
        *((provider, {"retry-after": "60"}, {}) for provider in REAL),
        *((provider, {"retry-after": soon_as_date}, {}) for provider in REAL),
        (OPENAI, {"retry-after-ms": "60000"}, {}),
        (OPENAI, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "60s"}, {}),
        (ANTHROPIC, {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": soon}, {}),
        (GOOGLE, {}, retry_info),
        (OPENROUTER, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time() * 1000) + 60_000)}, {}),
    ]
    for provider, headers, body in told:
        error = await fail(provider, answer(429, body, headers))
        assert error.retry_after == pytest.approx(60, abs=20), (provider, headers)


async def test_rate_headers_are_read() -> None:
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-tokens-limit": "1000",
        "x-ratelimit-limit-requests": "50",
        "x-ratelimit-remaining-requests": "49",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-limit": "50",
        "x-ratelimit-remaining": "49",
    }
    for provider in (ANTHROPIC, OPENAI, OPENROUTER):
        rates = (await complete(provider, answer(200, body_of(provider), headers))).headers
        assert isinstance(rates, RateHeaders)
        assert (rates.requests_limit, rates.requests_remaining) == (50, 49)
        assert rates.tokens_limit == 1000
        assert (await complete(provider, answer(200, body_of(provider)))).headers is None


@every
@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"null", b'"text"', b"{", b'{"content": 3, "output": 3}'])
async def test_a_body_that_is_none_of_theirs(provider: LLMProviderType, body: bytes) -> None:
    """Never an exception of another kind. (A bare object may be an answer without text: that is no verdict either.)"""
    try:
        completion = await complete(provider, answer(200, body))
    except errors.UmpireError as error:
        assert type(error) is errors.ParsingError
    else:
        with pytest.raises(errors.ParsingError):
            parse_verdict(completion)


@every
async def test_a_body_that_cannot_be_unzipped(provider: LLMProviderType) -> None:
    error = await fail(provider, answer(200, b"no gzip", {"content-encoding": "gzip"}))
    assert type(error) is errors.ParsingError


@every
async def test_an_error_page_of_something_in_between(provider: LLMProviderType) -> None:
    page = b"<html>429 rate limit, " + PROMPT.encode() + b"</html>"
    error = await fail(provider, answer(502, page, {"content-type": "text/html"}))
    assert type(error) is errors.ProviderUnavailable


@every
@pytest.mark.parametrize(
    "body", [b"oops", b"", b"[]", b'"text"', b'{"error": "text"}', b'{"error": {"type": [3], "code": {}}}']
)
async def test_the_status_counts_when_the_error_body_is_unreadable(provider: LLMProviderType, body: bytes) -> None:
    assert type(await fail(provider, answer(500, body))) is errors.ProviderServerError
    assert type(await fail(provider, answer(429, body))) is errors.ProviderRateLimited


@every
async def test_a_redirect_is_not_followed(provider: LLMProviderType) -> None:
    async with upstream(answer(200, body_of(provider))) as elsewhere:
        error = await fail(provider, answer(307, {}, {"location": elsewhere.url + "/v1"}))
        assert type(error) is errors.ProviderMisconfigured
        assert not elsewhere.calls


@every
@pytest.mark.parametrize("fault", [drop, drop_midway])
async def test_a_connection_lost(provider: LLMProviderType, fault: Callable[..., Any]) -> None:
    assert type(await fail(provider, fault)) is errors.ProviderUnavailable


@every
@pytest.mark.parametrize("fault", [hang, drip])
async def test_a_deadline_ends_a_call_and_its_connection(provider: LLMProviderType, fault: Callable[..., Any]) -> None:
    """Even one that drips, so that no read times out; and the one connection of the pool is free again."""
    async with (
        upstream(answer(200, body_of(provider)), fault, answer(200, body_of(provider))) as server,
        connected(provider, server.url, concurrency=1) as adapter,
    ):
        await adapter.complete(call_for(provider))
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await adapter.complete(call_for(provider))
        assert time.monotonic() - began < 2
        async with asyncio.timeout(5):
            assert parse_verdict(await adapter.complete(call_for(provider))).confidence == 4
        deadline = time.monotonic() + 5
        while server.open_connections > 1 and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert server.open_connections == 1, "the cancelled call's connection was closed"
        assert len(server.calls) == 3


@every
async def test_calls_share_connections_up_to_the_concurrency(provider: LLMProviderType) -> None:
    async with (
        upstream(answer(200, body_of(provider))) as server,
        connected(provider, server.url, concurrency=4) as adapter,
    ):
        await asyncio.gather(*(adapter.complete(call_for(provider, attempt=str(number))) for number in range(40)))
        assert len(server.calls) == 40
        assert server.open_connections <= 4
        assert {call["headers"]["x-umpire-attempt"] for call in server.calls} == {str(number) for number in range(40)}


async def test_list_models() -> None:
    listed = {
        ANTHROPIC: {"data": [{"id": "m-1", "type": "model"}, {"id": "m-2", "type": "model"}], "has_more": False},
        OPENAI: {"data": [{"id": "m-1", "object": "model"}, {"id": "m-2", "object": "model"}], "object": "list"},
        GOOGLE: {
            "models": [
                {"name": "models/m-1", "supportedGenerationMethods": ["generateContent"]},
                {"name": "models/m-2", "supportedGenerationMethods": ["generateContent"]},
                {"name": "models/embedding", "supportedGenerationMethods": ["embedContent"]},
            ]
        },
        OPENROUTER: {"data": [{"id": "m-1"}, {"id": "m-2"}]},
    }
    for provider, body in listed.items():
        async with upstream(answer(200, body)) as server, connected(provider, server.url) as adapter:
            assert await adapter.list_models() == ["m-1", "m-2"]
            assert server.calls[0]["path"].split("?")[0].endswith("/models")
            assert PATHS[provider.value] in server.calls[0]["path"]


@every
async def test_what_is_no_model_s_name_is_not_told_as_one(provider: LLMProviderType) -> None:
    """The name goes into events, the codes into messages and logs: neither carries what the provider was sent."""
    field = "modelVersion" if provider is GOOGLE else "model"
    completion = await complete(provider, answer(200, body_of(provider, **{field: f"{PROMPT} {KEY}"})))
    assert completion.model == call_for(provider).model


@pytest.mark.parametrize("code", [KEY + "-1", "sk_live_0123456789", PROMPT, "x" * 65, "essay: the", "", "Ünlimited"])
def test_what_is_no_code_is_not_told_as_one(code: str) -> None:
    failed = error_of_object({"type": code, "code": 7}, ErrorFormat(ANTHROPIC), {}, 400)
    assert "provider_code" not in failed.details
    assert str(failed) == "anthropic answered 400"
