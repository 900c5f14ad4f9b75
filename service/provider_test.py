"""Tests a provider with one comparison that goes through the ledger and a worker, as any other."""

import asyncio
import time

from access.api_key import ApiKey
from contracts.enums import LLMProviderType
from contracts.errors import ProviderTimeout, UmpireError, Unavailable
from contracts.http import LLMComparisonRequest, LLMConfigOverridesHTTP, ProviderTestResponse
from contracts.topics import COMPARISON_RESULT
from service.dependencies import Dependencies
from service.provider_state import refusal
from service.responses import error_of, result_of

#: Short, with an obvious answer.
PROMPT = """\
Which of these two answers to "Why is the sky blue?" is the better one?

Essay A:
Air scatters short waves of light more strongly than long ones, so blue light reaches us from all sides.

Essay B:
It is blue because it is blue.
"""


async def run_provider_test(
    dependencies: Dependencies, provider: LLMProviderType, *, key: ApiKey | None, redis_seconds: float
) -> ProviderTestResponse:
    """Raises InvalidConfig, ProviderUnavailable, ProviderOnHold, Unavailable or QueueFull if nothing was accepted."""
    settings = dependencies.settings
    seconds = settings.service.immediate_wait_seconds
    request = LLMComparisonRequest(
        user_prompt=PROMPT,
        callback_topic=settings.kafka.topic_prefix + COMPARISON_RESULT,
        llm_config_overrides=LLMConfigOverridesHTTP(provider_override=provider),
        metadata={"provider_test": True},
        priority=10,
    )
    stored = dependencies.admission.admit(request, len(PROMPT), None, key)
    by = time.monotonic() + redis_seconds
    try:
        async with asyncio.timeout(redis_seconds):
            state = (await dependencies.availability.read())[provider]
    except TimeoutError as error:
        raise Unavailable("Redis is unavailable.") from error
    if not state.takes(stored.model):
        raise refusal(stored, state)
    clock = asyncio.get_running_loop().time
    started = clock()
    with dependencies.replies.expect(stored.queue_id) as waiter:
        await dependencies.ledger.admit(stored, reply_to=dependencies.replies.name, by=by)
        event = await dependencies.waits.result(waiter, seconds)
    elapsed = round((clock() - started) * 1000)
    result = result_of(event, dependencies.observer) if event is not None else None
    if result is None:
        detail = f"no answer within {seconds:g} s; the comparison goes on"
        if event is not None:
            detail = "this version of the service cannot read the answer, which a newer one wrote"
        return _failed(provider, stored.model, elapsed, ProviderTimeout(detail))
    if result.error_detail is not None:
        return _failed(provider, result.model, result.response_time_ms, error_of(result.error_detail))
    return ProviderTestResponse(
        provider=provider, model=result.model, ok=True, response_time_ms=result.response_time_ms
    )


def _failed(provider: LLMProviderType, model: str, elapsed_ms: int, error: UmpireError) -> ProviderTestResponse:
    return ProviderTestResponse(
        provider=provider,
        model=model,
        ok=False,
        response_time_ms=elapsed_ms,
        error_code=error.code,
        detail=error.message,
    )
