"""GET /api/v1/models, GET /api/v1/providers, POST /api/v1/providers/{provider}/test."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query
from redis.exceptions import RedisError
from starlette.requests import Request

from contracts.enums import LLMProviderType, known_code
from contracts.errors import Unavailable
from contracts.http import LLMProviderListResponse, LLMProviderStatus, ModelManifestResponse, ProviderTestResponse
from guard.availability import ProviderAvailability
from providers.models.manifest import Manifest
from service.dependencies import Dependencies, dependencies_of
from service.provider_test import run_provider_test
from service.routes.openapi import MODELS, PROVIDER_TEST, PROVIDERS
from web.auth import key_of, owner_of, redis_seconds

router = APIRouter(prefix="/api/v1")

#: A request's provider: the one it names, else the operator's default.
STRATEGY = "override_else_default"


@router.get("/models", **MODELS)
async def list_models(
    request: Request,
    provider: Annotated[
        LLMProviderType | None, Query(description="Only this provider's models.", examples=["anthropic"])
    ] = None,
    include_deprecated: Annotated[
        bool, Query(description="Also those that their provider has deprecated.", examples=[True])
    ] = False,
) -> ModelManifestResponse:
    return _listed(dependencies_of(request).manifest, provider, include_deprecated)


def _listed(manifest: Manifest, only: LLMProviderType | None, include_deprecated: bool) -> ModelManifestResponse:
    # The mock judges nothing, so it is listed on request only.
    providers = [only] if only else [one for one in LLMProviderType if one is not LLMProviderType.MOCK]
    groups = {
        provider.value: [
            info.to_response() for info in manifest.models(provider) if include_deprecated or not info.deprecated
        ]
        for provider in providers
    }
    return ModelManifestResponse(providers=groups, total_models=sum(map(len, groups.values())))


@router.get("/providers", **PROVIDERS)
async def list_providers(request: Request) -> LLMProviderListResponse:
    dependencies = dependencies_of(request)
    try:
        async with asyncio.timeout(redis_seconds(request.scope, dependencies.settings.service)):
            states, today = await asyncio.gather(
                dependencies.availability.read(), dependencies.ledger.stats.today(owner_of(request.scope))
            )
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("Redis is unavailable.") from error
    return LLMProviderListResponse(
        providers=[_status(dependencies, provider, states.get(provider)) for provider in LLMProviderType],
        default_provider=dependencies.settings.default_provider,
        selection_strategy=STRATEGY,
        total_requests_today=today.requests,
        total_cost_today=today.cost,
    )


def _status(
    dependencies: Dependencies, provider: LLMProviderType, seen: ProviderAvailability | None
) -> LLMProviderStatus:
    state = seen or ProviderAvailability()
    default = (
        dependencies.settings.providers[provider].default_model or dependencies.manifest.default(provider).model_id
    )
    return LLMProviderStatus(
        name=provider,
        enabled=seen is not None,
        available=seen is not None and seen.available,
        circuit_breaker_state=state.state,
        default_model=default,
        last_success=state.last_success,
        last_failure=state.last_failure,
        failure_count=state.failure_count,
        average_response_time_ms=state.average_response_time_ms,
        hold_reason=state.hold.reason if state.hold else None,
        hold_since=state.hold.began if state.hold else None,
        last_error_code=known_code(state.last_error_code),
        held_models=sorted(state.held_models),
    )


@router.post("/providers/{provider}/test", **PROVIDER_TEST)
async def test_provider(
    request: Request, provider: Annotated[LLMProviderType, Path(description="The provider to try.")]
) -> ProviderTestResponse:
    """Send one small comparison through the whole way. It costs what such a call costs, and its verdict is published
    on the conventional result topic.
    """
    dependencies = dependencies_of(request)
    seconds = redis_seconds(request.scope, dependencies.settings.service)
    return await run_provider_test(dependencies, provider, key=key_of(request.scope), redis_seconds=seconds)
