"""Answers as providers have been seen to send them: a verdict that can be read is one, whatever stands beside it; what
cannot be counted is not known; and no error makes an event that cannot be built.
"""

import copy
import json
import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from completion.judgement import Judgement, Spent
from completion.result_event import result_of
from contracts import errors
from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.events import EventEnvelope, LLMComparisonResultV1
from contracts.http import LLMComparisonRequest
from contracts.settings import KafkaSettings
from devtools.providers import REAL, VERDICT, body_of, call_for, connected
from devtools.upstream import answer, upstream
from events.envelope import seal_result
from ledger.request import StoredRequest
from providers.answers import anthropic_answer, google_answer, openai_answer, openrouter_answer
from providers.answers.verdict import parse_verdict
from providers.base import ProviderAnswer, Usage
from providers.models.cost import cost
from providers.models.manifest import Manifest

ANTHROPIC, OPENAI, GOOGLE, OPENROUTER = REAL

every = pytest.mark.parametrize("provider", REAL)

#: Where each provider keeps the counts that price a call, and those that it may leave out.
NEEDED = {
    ANTHROPIC: [("usage", "input_tokens"), ("usage", "output_tokens")],
    OPENAI: [("usage", "input_tokens"), ("usage", "output_tokens")],
    GOOGLE: [("usageMetadata", "promptTokenCount"), ("usageMetadata", "candidatesTokenCount")],
    OPENROUTER: [("usage", "prompt_tokens"), ("usage", "completion_tokens")],
}
OPTIONAL = {
    ANTHROPIC: [
        ("usage", "cache_read_input_tokens"),
        ("usage", "cache_creation_input_tokens"),
        ("usage", "cache_creation", "ephemeral_1h_input_tokens"),
    ],
    OPENAI: [
        ("usage", "input_tokens_details", "cached_tokens"),
        ("usage", "input_tokens_details", "cache_write_tokens"),
    ],
    GOOGLE: [("usageMetadata", "cachedContentTokenCount"), ("usageMetadata", "thoughtsTokenCount")],
    OPENROUTER: [("usage", "prompt_tokens_details", "cached_tokens")],
}
NO_COUNTS = [None, -1, 12.5, "100", True, [], {}, 10**30, math.nan, math.inf]

ABSENT = "<absent>"


def read(provider: LLMProviderType, body: Any, headers: dict[str, str] | None = None) -> ProviderAnswer:
    """What the adapter makes of a body of status 200. As Python writes it, NaN included."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    model = Manifest.load().default(provider).model_id
    if provider is GOOGLE:
        return google_answer.parse_answer(raw, headers or {}, model)
    module = {ANTHROPIC: anthropic_answer, OPENAI: openai_answer, OPENROUTER: openrouter_answer}[provider]
    return module.parse_answer(raw, headers or {}, model)


def changed(body: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    whole = copy.deepcopy(body)
    at: Any = whole
    for step in path[:-1]:
        at = at[step]
    if value is ABSENT and isinstance(at, dict):
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return whole


def price_of(provider: LLMProviderType, usage: Usage) -> float | None:
    """By a model that has all prices; OpenRouter's says none."""
    info = Manifest.load().default(ANTHROPIC if provider is not OPENROUTER else OPENROUTER)
    return cost(info, usage)


def good(provider: LLMProviderType, body: Any) -> ProviderAnswer:
    completion = read(provider, body)
    assert parse_verdict(completion).confidence == 4
    return completion


# Usage and cost


@every
def test_a_usual_answer_has_a_cost(provider: LLMProviderType) -> None:
    assert price_of(provider, good(provider, body_of(provider)).usage) is not None


@every
@pytest.mark.parametrize("value", [*NO_COUNTS, ABSENT], ids=str)
def test_a_count_that_prices_the_call_and_is_none(provider: LLMProviderType, value: Any) -> None:
    for path in NEEDED[provider]:
        usage = good(provider, changed(body_of(provider), path, value)).usage
        assert price_of(provider, usage) is None
        assert min(usage.input_tokens, usage.output_tokens) >= 0
        assert usage.as_token_usage().total_tokens > 0, "the other count is kept"


@every
def test_a_whole_float_is_a_count(provider: LLMProviderType) -> None:
    path = NEEDED[provider][0]
    assert price_of(provider, good(provider, changed(body_of(provider), path, 100.0)).usage) is not None


@every
@pytest.mark.parametrize("value", NO_COUNTS, ids=str)
def test_a_count_that_may_be_left_out_and_is_none(provider: LLMProviderType, value: Any) -> None:
    for path in OPTIONAL[provider]:
        usage = good(provider, changed(body_of(provider), path, value)).usage
        # Without the sum, what was kept for an hour is more than was written at all.
        contradicts = path == ("usage", "cache_creation_input_tokens")
        assert (price_of(provider, usage) is None) is (value is not None or contradicts)


@every
@pytest.mark.parametrize("usage", [None, ABSENT, {}, [], "none", 5], ids=str)
def test_no_usage_at_all(provider: LLMProviderType, usage: Any) -> None:
    name = "usageMetadata" if provider is GOOGLE else "usage"
    found = good(provider, changed(body_of(provider), (name,), usage)).usage
    assert (price_of(provider, found), found.as_token_usage().total_tokens) == (None, 0)


@pytest.mark.parametrize("provider", [OPENAI, GOOGLE, OPENROUTER])
def test_more_cached_than_there_was(provider: LLMProviderType) -> None:
    usage = good(provider, changed(body_of(provider), OPTIONAL[provider][0], 9000)).usage
    assert (usage.cached_tokens, usage.input_tokens) == (150, 150)
    assert price_of(provider, usage) is None


@pytest.mark.parametrize("told", [-1, -0.5, math.nan, math.inf, "0.1", True, [], 10**400, 1e9], ids=str)
def test_a_reported_cost_that_is_none_or_absurd(told: Any) -> None:
    body = changed(body_of(OPENROUTER), ("usage", "cost"), told)
    assert price_of(OPENROUTER, good(OPENROUTER, body).usage) is None


def test_a_cost_of_1e400_as_it_stands_on_the_wire() -> None:
    raw = json.dumps(body_of(OPENROUTER)).replace("0.00042", "1e400").encode()
    assert price_of(OPENROUTER, good(OPENROUTER, raw).usage) is None


def test_the_callers_own_key_at_the_provider_costs_what_that_one_charges() -> None:
    own = {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.036}}
    body = body_of(OPENROUTER)
    assert price_of(OPENROUTER, good(OPENROUTER, {**body, "usage": {**body["usage"], **own}}).usage) == 0.036
    for details in (None, {}, {"upstream_inference_cost": None}, {"upstream_inference_cost": -1}):
        usage = {**body["usage"], **own, "cost_details": details}
        assert price_of(OPENROUTER, good(OPENROUTER, {**body, "usage": usage}).usage) is None


@every
@pytest.mark.parametrize("told", [None, ABSENT, 7, "", "Essay A was the better one\nbecause"], ids=str)
def test_a_model_that_is_no_name(provider: LLMProviderType, told: Any) -> None:
    name = "modelVersion" if provider is GOOGLE else "model"
    completion = good(provider, changed(body_of(provider), (name,), told))
    assert completion.model == Manifest.load().default(provider).model_id


@every
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"5", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5_000])
def test_a_body_that_is_no_answer_may_have_been_billed(provider: LLMProviderType, body: bytes) -> None:
    with pytest.raises(errors.ParsingError) as caught:
        read(provider, body)
    assert isinstance(caught.value.usage, Usage)
    assert not caught.value.usage.known


# Verdicts


def message(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}], **more}


def test_commentary_is_no_answer() -> None:
    said = [message("Let me look at both.", phase="commentary"), message(json.dumps(VERDICT), phase="final_answer")]
    good(OPENAI, body_of(OPENAI, output=said))
    good(OPENAI, body_of(OPENAI, output=said[::-1]))
    good(OPENAI, body_of(OPENAI, output=[said[0], message(json.dumps(VERDICT))]))
    assert read(OPENAI, body_of(OPENAI, output=said[:1])).text == "Let me look at both."


def test_content_in_parts() -> None:
    whole = json.dumps(VERDICT)
    parts = [
        {"type": "thinking", "thinking": "hm", "text": "hm"},
        {"type": "text", "text": whole[:20]},
        {"type": "text", "text": whole[20:]},
        None,
        {"type": "text", "text": None},
        {"type": [], "text": "x"},
        {"type": {}, "text": "x"},
    ]
    choice = {"finish_reason": "stop", "message": {"content": parts}}
    good(OPENROUTER, body_of(OPENROUTER, choices=[choice]))


def test_openrouters_provider_failed_in_the_middle() -> None:
    choice = {"finish_reason": "error", "message": {"content": '{"winner": "Ess'}}
    usage = {"prompt_tokens": None, "completion_tokens": None}
    with pytest.raises(errors.ProviderServerError) as caught:
        read(OPENROUTER, body_of(OPENROUTER, choices=[choice], usage=usage))
    assert (caught.value.retryable, caught.value.code.value) == (True, "LLM_PROVIDER_API_ERROR")


ERRORS: list[tuple[Any, type[errors.UmpireError]]] = [
    ({"code": 429, "message": "m"}, errors.ProviderRateLimited),
    ({"code": "429", "message": "m"}, errors.ProviderRateLimited),
    ({"code": 402, "message": "m", "metadata": []}, errors.SpendLimitReached),
    ({"code": 502, "metadata": ["x"]}, errors.ProviderUnavailable),
    ("the upstream is gone", errors.ProviderServerError),
    ({"message": "m"}, errors.ProviderServerError),
    ({"code": 10**40}, errors.ProviderServerError),
    ({"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}, errors.ProviderRateLimited),
    ({"message": "m", "status": "UNAVAILABLE"}, errors.ProviderUnavailable),
    ({"type": "overloaded_error", "message": "m"}, errors.ProviderUnavailable),
    ({"type": "authentication_error", "message": "m"}, errors.ProviderMisconfigured),
    ({"type": "billing_error", "message": "m"}, errors.SpendLimitReached),
    ({"code": "insufficient_quota", "message": "m"}, errors.SpendLimitReached),
    ({"code": 400, "message": "prompt is too long: 9 tokens > 8 maximum"}, errors.ContentTooLong),
]


@every
@pytest.mark.parametrize(("told", "kind"), ERRORS, ids=lambda value: str(value)[:40])
def test_an_error_in_an_answer_of_status_200(
    provider: LLMProviderType, told: Any, kind: type[errors.UmpireError]
) -> None:
    nulls = dict.fromkeys(("id", "choices", "model", "usage", "output", "content", "candidates"))
    for body in ({"error": told}, {**nulls, "error": told}, {**nulls, "type": "error", "error": told}):
        with pytest.raises(errors.UmpireError) as caught:
            read(provider, body)
        assert type(caught.value) is kind
        assert caught.value.usage is None, "nothing says that it was billed"


@every
def test_what_was_used_by_an_answer_with_an_error_is_counted(provider: LLMProviderType) -> None:
    body = body_of(provider, text="half a verd", error={"code": 502, "message": "m"})
    with pytest.raises(errors.ProviderUnavailable) as caught:
        read(provider, body)
    assert caught.value.usage.as_token_usage().total_tokens == 200


@every
@pytest.mark.parametrize("told", [None, {}, "", [], 5, False, {"code": None, "message": None}])
def test_an_error_field_that_says_nothing(provider: LLMProviderType, told: Any) -> None:
    good(provider, body_of(provider, error=told))


@pytest.mark.parametrize("reason", ["RECITATION", "LANGUAGE", "SAFETY", "SPII"])
def test_gemini_would_refuse_it_again(reason: str) -> None:
    with pytest.raises(errors.InvalidPrompt, match=reason) as caught:
        parse_verdict(read(GOOGLE, body_of(GOOGLE, candidates=[{"finishReason": reason}])))
    assert caught.value.details["finish_reason"] == reason
    assert errors.is_permanent(caught.value)


@pytest.mark.parametrize("reason", ["OTHER", "MALFORMED_RESPONSE", "SOMETHING_NEW"])
def test_gemini_stopped_for_a_reason_that_may_pass(reason: str) -> None:
    with pytest.raises(errors.ParsingError, match=reason) as caught:
        parse_verdict(read(GOOGLE, body_of(GOOGLE, candidates=[{"finishReason": reason}])))
    assert caught.value.details["finish_reason"] == reason


# Errors


@pytest.mark.parametrize(
    ("provider", "status", "error", "kind"),
    [
        (ANTHROPIC, 400, {"type": "invalid_request_error",
            "message": "Your credit balance is too low to access the Anthropic API."}, errors.SpendLimitReached),
        (ANTHROPIC, 400, {"type": "invalid_request_error",
            "message": "prompt is too long: 210000 tokens > 200000 maximum"}, errors.ContentTooLong),
        (ANTHROPIC, 400, {"type": "invalid_request_error", "message":
            "messages.0: bad text: “Your credit balance is too low”, wrote the bank"}, errors.ProviderRejected),
        (GOOGLE, 400, {"code": 400, "status": "INVALID_ARGUMENT",
            "message": "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."},
            errors.ContentTooLong),
        (GOOGLE, 400, {"code": 400, "status": "FAILED_PRECONDITION",
            "message": "Please enable billing on your project."}, errors.SpendLimitReached),
        (GOOGLE, 429, {"code": 429, "status": "RESOURCE_EXHAUSTED",
            "message": "You exceeded your current quota, please check your plan."}, errors.ProviderRateLimited),
        (OPENROUTER, 400, {"code": 400, "message":
            "This endpoint's maximum context length is 8192 tokens. However, you requested about 9000 tokens"},
            errors.ContentTooLong),
        (OPENROUTER, 403, {"code": 403, "message": "Key limit exceeded (monthly limit)."}, errors.SpendLimitReached),
        (OPENROUTER, 402, {"code": 402, "message": "Insufficient credits"}, errors.SpendLimitReached),
        (OPENAI, 400, {"type": "invalid_request_error",
            "message": "Your input exceeds the context window of this model."}, errors.ContentTooLong),
        (OPENAI, 400, {"type": "invalid_request_error",
            "message": "This model's maximum context length is 128000 tokens."}, errors.ContentTooLong),
        (ANTHROPIC, 400, {"type": "invalid_request_error", "message": "This organization has been disabled."},
            errors.ProviderMisconfigured),
        (OPENAI, 400, {"type": "invalid_request_error", "message": "Billing hard limit has been reached"},
            errors.SpendLimitReached),
        (OPENROUTER, 429, {"code": 429, "message": "Provider returned error", "metadata": {
            "raw": '{"error": {"code": "insufficient_quota", "message": "m"}}'}}, errors.SpendLimitReached),
        (OPENAI, 403, {"code": "unsupported_country", "message": "m"}, errors.ModelForbidden),
    ],
)  # fmt: skip
async def test_what_providers_say_in_words(
    provider: LLMProviderType, status: int, error: dict[str, Any], kind: type[errors.UmpireError]
) -> None:
    assert type(await failing(provider, status, error)) is kind


@every
@pytest.mark.parametrize("status", [409, 425, 499])
async def test_what_may_succeed_the_next_time(provider: LLMProviderType, status: int) -> None:
    error = await failing(provider, status, {"code": status, "message": "m"})
    assert type(error) is errors.ProviderConflict
    assert (error.retryable, error.code.value) == (True, "LLM_PROVIDER_API_ERROR")


@every
@pytest.mark.parametrize("status", [200, 400])
async def test_a_charset_that_is_none(provider: LLMProviderType, status: int) -> None:
    body = body_of(provider) if status == 200 else {"error": {"type": "invalid_request_error", "message": "m"}}
    sent = answer(status, body, {"content-type": "application/json; charset=bz2"})
    async with upstream(sent) as server, connected(provider, server.url) as adapter:
        if status == 200:
            assert parse_verdict(await adapter.complete(call_for(provider))).confidence == 4
        else:
            with pytest.raises(errors.ProviderRejected):
                await adapter.complete(call_for(provider))


@every
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"caf\xe9", errors.ProviderMisconfigured),
        (401, b"[" * 200_000, errors.ProviderMisconfigured),
        (503, b"\xff\xfe", errors.ProviderUnavailable),
        (200, b"[" * 200_000, errors.ParsingError),
    ],
    ids=["latin", "deep", "no text", "deep answer"],
)
@pytest.mark.parametrize("kind_of_text", ["text/html", "application/json"])
async def test_a_body_that_is_no_text_hides_no_status(
    provider: LLMProviderType, status: int, body: bytes, kind: type[errors.UmpireError], kind_of_text: str
) -> None:
    sent = answer(status, body, {"content-type": kind_of_text})
    async with upstream(sent) as server, connected(provider, server.url) as adapter:
        with pytest.raises(errors.UmpireError) as caught:
            await adapter.complete(call_for(provider))
    assert type(caught.value) is kind


@every
async def test_one_byte_that_is_no_text_costs_no_verdict(provider: LLMProviderType) -> None:
    whole = json.dumps(body_of(provider, extra="x")).encode().replace(b'"x"', b'"\xff"')
    async with upstream(answer(200, whole)) as server, connected(provider, server.url) as adapter:
        assert parse_verdict(await adapter.complete(call_for(provider))).confidence == 4


async def failing(provider: LLMProviderType, status: int, error: dict[str, Any]) -> errors.UmpireError:
    body = {"type": "error", "error": error}
    async with upstream(answer(status, body)) as server, connected(provider, server.url) as adapter:
        with pytest.raises(errors.UmpireError) as caught:
            await adapter.complete(call_for(provider))
    assert len(server.calls) == 1
    assert error.get("message", "") not in f"{caught.value} {caught.value.details}" or len(error["message"]) < 3
    return caught.value


# Whatever comes


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in pairs:
        yield (*before, name)
        yield from paths(one, (*before, name))


#: Where each provider's good answer has its text, and what leads to it: without these there is no verdict.
TEXT = {
    ANTHROPIC: ("content", 1, "text"),
    OPENAI: ("output", 1, "content", 0, "text"),
    GOOGLE: ("candidates", 0, "content", "parts", 1, "text"),
    OPENROUTER: ("choices", 0, "message", "content"),
}

#: What says of the text which of several it is, or that it was cut off or refused.
SAYS = {"type", "phase", "thought", "stop_reason", "status", "finishReason", "finish_reason", "incomplete_details"}

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just(10**400), st.just("x" * 10_000),
    st.lists(st.none() | st.integers() | st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.floats(), max_size=3), st.just(ABSENT),
)  # fmt: skip


@every
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_verdict_that_can_be_read_is_never_lost_and_an_error_can_always_be_told(
    provider: LLMProviderType, data: st.DataObject
) -> None:
    body = body_of(provider)
    readable = True
    for path in data.draw(st.lists(st.sampled_from(sorted(paths(body), key=str)), min_size=1, max_size=4)):
        try:
            body = changed(body, path, data.draw(ODD))
        except (KeyError, IndexError, TypeError):
            continue  # a mutation before it took its place away
        readable = readable and TEXT[provider][: len(path)] != path and path[-1] not in SAYS
    if data.draw(st.booleans()):
        body |= {name: data.draw(ODD.filter(lambda odd: odd is not ABSENT)) for name in ("error", "extra")}
    raw = json.dumps(body).encode()
    if data.draw(st.booleans()):
        raw = raw[:-1] + b', "id": "again"}' if raw.endswith(b"}") else raw
    judgement, event = told(provider, raw)
    assert (judgement.error is None) or not readable
    result = EventEnvelope[LLMComparisonResultV1].model_validate_json(event).data
    assert (result.error_detail is None) is (judgement.error is None)
    assert math.isfinite(result.cost_estimate)
    assert result.cost_estimate >= 0


def told(provider: LLMProviderType, raw: bytes) -> tuple[Judgement, bytes]:
    """As a worker does: what the call was, what it cost, and the event."""
    info, spent = Manifest.load().default(provider), Spent().attempted()
    now = utcnow()
    stored = StoredRequest(
        queue_id=uuid4(), correlation_id=uuid4(), provider=provider, model=info.model_id, requested_at=now,
        request=LLMComparisonRequest(user_prompt="p", callback_topic="t"), expires_at=now + timedelta(hours=1),
    )  # fmt: skip
    try:
        completion = read(provider, raw)
        spent = spent.paid(completion.usage.as_token_usage(), cost(info, completion.usage))
        verdict = parse_verdict(completion)
        judgement = Judgement(
            model=completion.model, spent=spent, winner=verdict.winner, justification=verdict.justification,
            confidence=verdict.confidence,
        )  # fmt: skip
    except errors.UmpireError as error:
        if isinstance(error.usage, Usage):
            spent = spent.paid(error.usage.as_token_usage(), None)
        judgement = Judgement(model=info.model_id, spent=spent, error=error)
    return judgement, seal_result(result_of(stored, judgement, "0" * 64), KafkaSettings(), traceparent=None).value
