"""GET /healthz, /readyz and /metrics."""

import asyncio
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter
from redis.exceptions import RedisError, ResponseError
from starlette.requests import Request
from starlette.responses import Response

from contracts.encoding import dumps
from contracts.enums import CircuitState, HoldReason
from contracts.errors import Unavailable
from contracts.events import SERVICE_NAME
from contracts.http import HealthCheckResponse
from service.dependencies import Dependencies, dependencies_of
from service.responses import JSON
from service.routes.openapi import HEALTH, METRICS, READY
from web.problem import problem

router = APIRouter()


try:
    VERSION = version("umpire-service")
except PackageNotFoundError:  # run from the source tree
    VERSION = "0"


@router.get("/healthz", **HEALTH)
async def healthz(request: Request) -> HealthCheckResponse:
    """Asks no other server. The state of Redis is that of the API's last operation on it."""
    known = {"redis": {"state": dependencies_of(request).acceptance.redis_state}}
    return HealthCheckResponse(status="alive", service=SERVICE_NAME, version=VERSION, dependencies=known)


@router.get("/readyz", **READY)
async def readyz(request: Request) -> Response:
    dependencies = dependencies_of(request)
    states, refusal = await _states(dependencies)
    if refusal:
        return problem(Unavailable(refusal), request.scope, members={"dependencies": states})
    body = HealthCheckResponse(status="ready", service=SERVICE_NAME, version=VERSION, dependencies=states)
    return Response(dumps(body), 200, media_type=JSON)


async def _states(dependencies: Dependencies) -> tuple[dict[str, Any], str | None]:
    """States of the dependencies; and why the API would refuse every request, None if it would not."""
    states, refusal = await _shared_states(dependencies)
    try:
        spool = await dependencies.spool.size()
    except Unavailable:
        return {**states, "spool": {"state": "down"}}, refusal
    state = "full" if spool.refusing else "holding" if spool.requests else "empty"
    states["spool"] = {"state": state, "requests": spool.requests, "bytes": spool.bytes}
    # While Redis is unavailable or refuses writes, requests go to the spool, up to its watermark.
    if states["redis"]["state"] in {"down", "refusing writes"}:
        refusal = "Redis is unavailable and the spool is full: every request is refused." if spool.refusing else None
    return states, refusal


async def _shared_states(dependencies: Dependencies) -> tuple[dict[str, Any], str | None]:
    kafka = await _kafka(dependencies)
    try:
        async with asyncio.timeout(dependencies.settings.service.door_redis_seconds):
            state, sizes, workers, states, warnings = await asyncio.gather(
                dependencies.ledger.stats.redis_state(),
                dependencies.ledger.stats.sizes(),
                dependencies.ledger.stats.workers(),
                dependencies.availability.read(),
                dependencies.ledger.stats.durability(),
            )
    except (RedisError, OSError, TimeoutError, Unavailable):
        unknown = {one.value: {"workers": None, "state": None, "hold": None} for one in dependencies.settings.enabled}
        unavailable = "Redis is unavailable: every request is refused."
        return {"redis": {"state": "down"}, "kafka": kafka, "providers": unknown}, unavailable
    redis = {
        "state": "full" if state == "up" and sizes.full else state,
        "unfinished": sizes.unfinished,
        "outbox": sizes.outbox,
        "bytes": sizes.bytes,
        "warnings": warnings,
    }
    providers = {
        one.value: {
            "workers": workers.get(one, 0),
            "state": states[one].state.value,
            "hold": hold.reason.value if (hold := states[one].hold) else None,
        }
        for one in dependencies.settings.enabled
    }
    full = "The queue is full: every request is refused." if sizes.full else None
    refusal = full if state == "up" else f"Redis is {state}: every request is refused."
    return {"redis": redis, "kafka": kafka, "providers": providers}, refusal


async def _kafka(dependencies: Dependencies) -> dict[str, Any]:
    """The API accepts requests without Kafka, so an outage does not make it refuse any."""
    up = await dependencies.kafka.is_up()
    if outage := dependencies.kafka.outage:
        # In this process only: one of its producers cannot be created, or has failed for good.
        return {"state": "down", "producer_error": outage}
    warnings = dependencies.kafka.warnings
    return {"state": "up" if up else "down", **({"warnings": warnings} if warnings else {})}


@router.get("/metrics", response_class=Response, **METRICS)
async def metrics(request: Request) -> Response:
    """Any API process returns the figures of all API processes of the host, and the current shared state from Redis."""
    dependencies = dependencies_of(request)
    up = 1.0
    try:
        async with asyncio.timeout(dependencies.settings.service.door_redis_seconds):
            await _set_shared_gauges(dependencies)
    except (RedisError, OSError, TimeoutError, Unavailable):
        up = 0.0
    dependencies.metrics.gauge("ledger_up", up)
    with suppress(Unavailable):
        spool = await dependencies.spool.size()
        dependencies.metrics.gauge("spool_requests", spool.requests)
        dependencies.metrics.gauge("spool_bytes", spool.bytes)
        dependencies.metrics.gauge("spool_refusing", float(spool.refusing))
    # In a thread: it reads the files of all API processes of the host.
    return Response(await asyncio.to_thread(dependencies.metrics.render), media_type=dependencies.metrics.content_type)


async def _set_shared_gauges(dependencies: Dependencies) -> None:
    enabled = dependencies.settings.enabled
    backlogs, sizes, kept, workers, states, difference = await asyncio.gather(
        dependencies.ledger.stats.backlogs(enabled),
        dependencies.ledger.stats.sizes(),
        dependencies.ledger.stats.kept(),
        dependencies.ledger.stats.workers(),
        dependencies.availability.read(),
        _books_difference(dependencies),
    )
    gauge = dependencies.metrics.gauge
    for one in enabled:
        name = one.value
        gauge("queue_depth", backlogs[one].queued, provider=name, state="queued")
        gauge("queue_depth", backlogs[one].deferred, provider=name, state="deferred")
        gauge("workers_alive", workers.get(one, 0), provider=name)
        gauge("available", float(states[one].available), provider=name)
        hold = states[one].hold
        for reason in HoldReason:
            gauge("on_hold", float(hold is not None and hold.reason is reason), provider=name, reason=reason.value)
        gauge("models_on_hold", len(states[one].held_models), provider=name)
        for state in CircuitState:
            gauge("circuit_state", float(states[one].state is state), provider=name, state=state.value)
    gauge("unfinished", sizes.unfinished)
    gauge("ledger_bytes", sizes.bytes)
    gauge("ledger_refusing", float(sizes.full))
    gauge("processing", sizes.processing)
    gauge("outbox", sizes.outbox)
    gauge("dead_letters_kept", sizes.dead)
    gauge("results_kept", kept.results)
    gauge("results_kept_bytes", kept.bytes)
    if difference is not None:
        gauge("books_difference", difference)


async def _books_difference(dependencies: Dependencies) -> int | None:
    """None if the key of the books is damaged: the other gauges do not depend on it."""
    try:
        return (await dependencies.ledger.stats.books()).difference
    except ResponseError:
        return None
