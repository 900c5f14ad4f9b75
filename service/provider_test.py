"""Tests a provider with one comparison, which passes through the ledger and a worker like any other."""

import asyncio
import time

from access.api_key import ApiKey
from contracts.enums import LLMProviderType
from contracts.errors import ProviderTimeout, UmpireError, Unavailable
from contracts.http import LLMComparisonRequest, LLMConfigOverridesHTTP, ProviderTestResponse
from contracts.topics import COMPARISON_RESULT
from service.dependencies import Dependencies
from service.provider_state import refusal
from service.responses import error_of, read_result

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
    """Raises InvalidConfig, ProviderUnavailable, ProviderOnHold, Unavailable or QueueFull if it is not accepted."""
    settings = dependencies.settings
    seconds = settings.service.immediate_wait_seconds
    request = LLMComparisonRequest(
        user_prompt=PROMPT,
        callback_topic=settings.kafka.topic_prefix + COMPARISON_RESULT,
        llm_config_overrides=LLMConfigOverridesHTTP(provider_override=provider),
        metadata={"provider_test": True},
        priority=10,
    )
    stored = dependencies.admission.check_without_topic(request, len(PROMPT), None, key)
    by = time.monotonic() + redis_seconds
    try:
        async with asyncio.timeout(redis_seconds):
            state = (await dependencies.availability.read())[provider]
    except TimeoutError as timeout:
        raise Unavailable("Redis is unavailable; the provider was not tested.") from timeout
    if not state.takes(stored.model):
        raise refusal(stored, state)
    clock = asyncio.get_running_loop().time
    started = clock()
    with dependencies.replies.expect(stored.queue_id) as waiter:
        await dependencies.ledger.admit(stored, reply_to=dependencies.replies.name, by=by)
        event = await dependencies.waits.result(waiter, seconds)
    elapsed = round((clock() - started) * 1000)
    model = stored.model
    error: UmpireError | None
    result = read_result(event, dependencies.observer) if event is not None else None
    if result is not None:
        model, elapsed = result.model, result.response_time_ms
        error = error_of(result.error_detail) if result.error_detail is not None else None
    elif event is not None:
        error = ProviderTimeout("the result was written by a newer version of the service, and this one cannot read it")
    else:
        error = ProviderTimeout(f"no result within {seconds:g} s; the comparison continues")
    return ProviderTestResponse(
        provider=provider,
        model=model,
        ok=error is None,
        response_time_ms=elapsed,
        error_code=error.code if error else None,
        detail=error.message if error else None,
    )
