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


def _version() -> str:
    try:
        return version("umpire-service")
    except PackageNotFoundError:  # run from the source tree
        return "0"


VERSION = _version()


@router.get("/healthz", **HEALTH)
async def healthz(request: Request) -> HealthCheckResponse:
    """Asks nobody: what it tells of Redis is what the door last saw."""
    seen = {"redis": {"state": dependencies_of(request).acceptance.redis_state}}
    return HealthCheckResponse(status="alive", service=SERVICE_NAME, version=VERSION, dependencies=seen)


@router.get("/readyz", **READY)
async def readyz(request: Request) -> Response:
    dependencies = dependencies_of(request)
    checks, refuses = await _checks(dependencies)
    if refuses:
        error = Unavailable(refuses)
        return problem(error, request.scope, members={"dependencies": checks})
    body = HealthCheckResponse(status="ready", service=SERVICE_NAME, version=VERSION, dependencies=checks)
    return Response(dumps(body), 200, media_type=JSON)


async def _checks(dependencies: Dependencies) -> tuple[dict[str, Any], str | None]:
    """State of what API and workers depend on; and why the API would refuse every request, None if it would not."""
    found, refuses = await _shared(dependencies)
    try:
        spool = await dependencies.spool.size()
    except Unavailable:
        return {**found, "spool": {"state": "down"}}, refuses
    state = "full" if spool.refusing else "holding" if spool.requests else "empty"
    found["spool"] = {"state": state, "requests": spool.requests, "bytes": spool.bytes}
    # While Redis is unavailable or refuses writes, requests go to the spool, up to its watermark.
    away = found["redis"]["state"] in {"down", "refusing writes"}
    return found, ("Queue at capacity" if spool.refusing else None) if away else refuses


async def _shared(dependencies: Dependencies) -> tuple[dict[str, Any], str | None]:
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
        return {"redis": {"state": "down"}, "kafka": kafka, "providers": unknown}, "Redis is unavailable."
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
            "hold": held.reason.value if (held := states[one].hold) else None,
        }
        for one in dependencies.settings.enabled
    }
    refuses = f"Redis is {state}" if state != "up" else "Queue at capacity" if sizes.full else None
    return {"redis": redis, "kafka": kafka, "providers": providers}, refuses


async def _kafka(dependencies: Dependencies) -> dict[str, Any]:
    """The API needs no Kafka to accept a request, so an outage does not make it refuse any."""
    up = await dependencies.kafka.is_up()
    if outage := dependencies.kafka.outage:
        # In this process only: a producer of it cannot be made, or has failed for good.
        return {"state": "down", "producer_error": outage}
    found: dict[str, Any] = {"state": "up" if up else "down"}
    return found | ({"warnings": dependencies.kafka.warnings} if dependencies.kafka.warnings else {})


@router.get("/metrics", response_class=Response, **METRICS)
async def metrics(request: Request) -> Response:
    """Any API process tells the same: its siblings' figures beside its own, and shared state, which is read now."""
    dependencies = dependencies_of(request)
    up = 1.0
    try:
        async with asyncio.timeout(dependencies.settings.service.door_redis_seconds):
            await _read_shared(dependencies)
    except (RedisError, OSError, TimeoutError, Unavailable):
        up = 0.0
    dependencies.metrics.gauge("ledger_up", up)
    with suppress(Unavailable):
        spool = await dependencies.spool.size()
        dependencies.metrics.gauge("spool_requests", spool.requests)
        dependencies.metrics.gauge("spool_bytes", spool.bytes)
        dependencies.metrics.gauge("spool_refusing", float(spool.refusing))
    # In a thread: it reads the files of all sibling processes.
    return Response(await asyncio.to_thread(dependencies.metrics.render), media_type=dependencies.metrics.content_type)


async def _read_shared(dependencies: Dependencies) -> None:
    enabled = dependencies.settings.enabled
    backlogs, sizes, workers, states, difference = await asyncio.gather(
        dependencies.ledger.stats.backlogs(enabled),
        dependencies.ledger.stats.sizes(),
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
        for reason in HoldReason:
            held = states[one].hold
            gauge("on_hold", float(held is not None and held.reason is reason), provider=name, reason=reason.value)
        gauge("models_on_hold", len(states[one].held_models), provider=name)
        for state in CircuitState:
            gauge("circuit_state", float(states[one].state is state), provider=name, state=state.value)
    gauge("unfinished", sizes.unfinished)
    gauge("ledger_bytes", sizes.bytes)
    gauge("ledger_refusing", float(sizes.full))
    gauge("processing", sizes.processing)
    gauge("outbox", sizes.outbox)
    gauge("dead_letters_kept", sizes.dead)
    if difference is not None:
        gauge("books_difference", difference)


async def _books_difference(dependencies: Dependencies) -> int | None:
    """None if the key of the books is damaged: the other gauges do not depend on it."""
    try:
        return (await dependencies.ledger.stats.books()).difference
    except ResponseError:
        return None
