"""GET /api/v1/models, GET /api/v1/providers, POST /api/v1/providers/{provider}/test."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query
from redis.exceptions import RedisError
from starlette.requests import Request

from contracts.enums import LLMErrorCode, LLMProviderType, known
from contracts.errors import Unavailable
from contracts.http import LLMProviderListResponse, LLMProviderStatus, ModelManifestResponse, ProviderTestResponse
from guard.availability import ProviderAvailability
from service.dependencies import Dependencies, dependencies_of
from service.provider_test import run_provider_test
from service.routes.openapi import MODELS, PROVIDER_TEST, PROVIDERS
from web.auth import api_key_of, owner_of, redis_seconds

router = APIRouter(prefix="/api/v1")

#: How a request's provider is selected: the provider that it names, else the operator's default.
STRATEGY = "override_else_default"


@router.get("/models", **MODELS)
async def list_models(
    request: Request,
    provider: Annotated[
        LLMProviderType | None, Query(description="List the models of this provider only.", examples=["anthropic"])
    ] = None,
    include_deprecated: Annotated[bool, Query(description="List deprecated models, too.", examples=[True])] = False,
) -> ModelManifestResponse:
    manifest = dependencies_of(request).manifest
    # The mock is for tests, so it is listed on request only.
    providers = [provider] if provider else [one for one in LLMProviderType if one is not LLMProviderType.MOCK]
    models = {
        one.value: [info.to_response() for info in manifest.models(one) if include_deprecated or not info.deprecated]
        for one in providers
    }
    return ModelManifestResponse(providers=models, total_models=sum(map(len, models.values())))


@router.get("/providers", **PROVIDERS)
async def list_providers(request: Request) -> LLMProviderListResponse:
    dependencies = dependencies_of(request)
    try:
        async with asyncio.timeout(redis_seconds(request.scope, dependencies.settings.service)):
            states, today = await asyncio.gather(
                dependencies.availability.read(), dependencies.ledger.stats.today(owner_of(request.scope))
            )
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("Redis is unavailable; the state of the providers is unknown.") from error
    return LLMProviderListResponse(
        providers=[_status(dependencies, provider, states.get(provider)) for provider in LLMProviderType],
        default_provider=dependencies.settings.default_provider,
        selection_strategy=STRATEGY,
        total_requests_today=today.requests,
        total_cost_today=today.cost,
    )


def _status(
    dependencies: Dependencies, provider: LLMProviderType, read: ProviderAvailability | None
) -> LLMProviderStatus:
    """`read`: None for a provider that is not enabled."""
    state = read or ProviderAvailability()
    default = (
        dependencies.settings.providers[provider].default_model or dependencies.manifest.default(provider).model_id
    )
    return LLMProviderStatus(
        name=provider,
        enabled=read is not None,
        available=read is not None and read.available,
        circuit_breaker_state=state.state,
        default_model=default,
        last_success=state.last_success,
        last_failure=state.last_failure,
        failure_count=state.failure_count,
        average_response_time_ms=state.average_response_time_ms,
        hold_reason=state.hold.reason if state.hold else None,
        hold_since=state.hold.began if state.hold else None,
        last_error_code=known(LLMErrorCode, state.last_error_code),
        held_models=sorted(state.held_models),
    )


@router.post("/providers/{provider}/test", **PROVIDER_TEST)
async def test_provider(
    request: Request, provider: Annotated[LLMProviderType, Path(description="The provider to test.")]
) -> ProviderTestResponse:
    dependencies = dependencies_of(request)
    seconds = redis_seconds(request.scope, dependencies.settings.service)
    return await run_provider_test(dependencies, provider, key=api_key_of(request.scope), redis_seconds=seconds)
