"""POST /api/v1/comparison: submits a comparison. The API's hot path."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from contracts.encoding import dumps
from contracts.enums import ProcessingMode, QueueEvent, QueueStatus
from contracts.errors import InvalidRequest, ProviderUnavailable, Unavailable
from contracts.events import LLMQueueStatusV1
from contracts.http import LLMComparisonRequest, LLMQueuedResponse
from contracts.trace import own_trace_id
from guard.availability import ProviderAvailability
from ledger.idempotency import AlreadyAccepted, IdempotencyKey
from ledger.request import StoredRequest
from service.dependencies import Dependencies, dependencies_of
from service.idempotency import idempotency_key_of, key_in, replayed_response, with_stable_correlation_id
from service.provider_state import explain, refusal
from service.responses import JSON, read_result, result_response
from service.routes.openapi import COMPARISON
from telemetry.observer import Note
from web.asgi import PlainRoute
from web.auth import api_key_of, default_mode, owner_of, redis_seconds
from web.body import check_media_type, parse, read_body, salvage_correlation_id
from web.body_budget import BodyReservation
from web.json_values import MIN_VALUES, check_value_count
from web.problem import CORRELATION_ID, QUEUE_ID
from web.request_headers import Prefer, RequestHeaders, parse_prefer

router = APIRouter(route_class=PlainRoute)


@dataclass(frozen=True, slots=True)
class WaitPlan:
    """The mode of a request, and how long the API waits for the verdict before it answers 202."""

    mode: ProcessingMode
    #: 0: no wait.
    seconds: float
    #: The `wait` of `Prefer`, if it is applied.
    applied_wait: str | None = None


def plan_wait(mode: ProcessingMode | None, prefer: Prefer, default: ProcessingMode, longest: float) -> WaitPlan:
    """The mode in the body decides whether an unavailable provider means refusal; `Prefer` only how long to wait.

    Without a mode in the body, respond-async means `queue`. `longest`: seconds.
    """
    chosen = mode or (ProcessingMode.QUEUE if prefer.respond_async else default)
    waits = prefer.wait is not None if prefer.respond_async else chosen is not ProcessingMode.QUEUE
    if mode is ProcessingMode.QUEUE or not waits:
        return WaitPlan(chosen, 0.0)
    if chosen is ProcessingMode.QUEUE:
        chosen = ProcessingMode.QUEUE_IF_UNAVAILABLE
    if prefer.wait is None or prefer.wait > longest:
        return WaitPlan(chosen, longest)
    return WaitPlan(chosen, float(prefer.wait), f"wait={prefer.wait}")


@router.post("/api/v1/comparison", **COMPARISON)
async def submit_comparison(request: Request) -> Response:
    dependencies = dependencies_of(request)
    reservation = dependencies.body_budget.reservation(owner_of(request.scope))
    try:
        return await _submit(dependencies, request, reservation)
    finally:
        reservation.release()


async def _submit(dependencies: Dependencies, request: Request, reservation: BodyReservation) -> Response:
    scope, headers, settings = request.scope, RequestHeaders(request.scope), dependencies.settings.service
    stored = await _receive(dependencies, headers, request, reservation)
    idempotency_key = idempotency_key_of(key_in(headers), stored)
    if idempotency_key is not None:
        stored = with_stable_correlation_id(stored, idempotency_key)
    scope[CORRELATION_ID] = stored.correlation_id
    seconds = redis_seconds(scope, settings)
    prefer = parse_prefer(tuple(headers.getlist("prefer")))
    plan = plan_wait(
        stored.request.processing_mode, prefer, default_mode(scope, settings), settings.immediate_wait_seconds
    )
    event = None
    try:
        if plan.mode is ProcessingMode.QUEUE:
            queued_before, _, state = await _accept(dependencies, stored, plan, idempotency_key, seconds)
            scope[QUEUE_ID] = stored.queue_id
            announce(dependencies, stored)
        else:
            with dependencies.replies.expect(stored.queue_id) as waiter:
                queued_before, available, state = await _accept(dependencies, stored, plan, idempotency_key, seconds)
                scope[QUEUE_ID] = stored.queue_id
                announce(dependencies, stored)
                if reservation.size:
                    # The ledger has the prompt now: do not keep a long one in memory while the client waits.
                    stored = stored.without_prompt()
                    reservation.release()
                if available and plan.seconds:
                    event = await dependencies.waits.result(waiter, plan.seconds)
    except AlreadyAccepted as before:
        return replayed_response(before.queue_id, stored)
    if event is not None and (result := read_result(event, dependencies.observer)) is not None:
        applied = {"Preference-Applied": plan.applied_wait} if plan.applied_wait else {}
        return result_response(result, stored, scope, applied)
    return _queued_response(dependencies, stored, queued_before, prefer, plan, state)


ROUTE = next(route for route in router.routes if isinstance(route, PlainRoute))


async def _receive(
    dependencies: Dependencies, headers: RequestHeaders, request: Request, reservation: BodyReservation
) -> StoredRequest:
    body = await receive_body(
        dependencies, headers, request, reservation, limit=dependencies.settings.service.max_body_bytes
    )
    try:
        received = parse(LLMComparisonRequest, body)
    except InvalidRequest:
        request.scope[CORRELATION_ID] = salvage_correlation_id(body)
        raise
    request.scope[CORRELATION_ID] = received.correlation_id
    return dependencies.admission.check(received, len(body), traceparent_in(headers), api_key_of(request.scope))


async def receive_body(
    dependencies: Dependencies, headers: RequestHeaders, request: Request, reservation: BodyReservation, *, limit: int
) -> bytes:
    """A body of JSON, of at most `limit` bytes. Raises as `read_body`, and HTTPException 415."""
    settings = dependencies.settings.service
    check_media_type(headers)
    body = await read_body(headers, request.receive, reservation, limit=limit, seconds=settings.body_seconds)
    await check_value_count(body, max(MIN_VALUES, settings.max_metadata_bytes // 2))
    return body


def traceparent_in(headers: RequestHeaders) -> str | None:
    traceparents = headers.getlist("traceparent")
    return traceparents[0] if len(traceparents) == 1 else None


async def _accept(
    dependencies: Dependencies,
    stored: StoredRequest,
    plan: WaitPlan,
    idempotency_key: IdempotencyKey | None,
    seconds: float,
) -> tuple[int | None, bool, ProviderAvailability | None]:
    """Accept the request, with `seconds` for all Redis operations together.

    Returns the number of requests queued before it (None: unknown), whether its provider takes it now, and the
    provider's state (None: unknown). Mode `immediate` never uses the spool: it promises a verdict or a refusal.
    """
    acceptance, by = dependencies.acceptance, time.monotonic() + seconds
    if plan.mode is not ProcessingMode.IMMEDIATE:
        # Without a wait for the verdict, do not wait for the provider's state either: use the last known one.
        state = dependencies.availability.latest.get(stored.provider)
        available = False
        if plan.seconds:
            state = await _state(dependencies, stored, seconds)
            available = state is not None and state.takes(stored.model)
        reply_to = dependencies.replies.name if available else None
        left = max(0.0, by - time.monotonic())
        queued_before = await acceptance.accept(
            stored, reply_to=reply_to, idempotency_key=idempotency_key, seconds=left
        )
        return queued_before, available and queued_before is not None, state
    try:
        async with asyncio.timeout(seconds):
            state = (await dependencies.availability.read())[stored.provider]
            if not state.takes(stored.model):
                if idempotency_key is not None and (before := await dependencies.ledger.recall(idempotency_key)):
                    raise AlreadyAccepted(before)
                raise refusal(stored, state)
            reply_to = dependencies.replies.name if plan.seconds else None
            queued_before = await acceptance.accept_in_ledger(
                stored, reply_to=reply_to, idempotency_key=idempotency_key, by=by
            )
            return queued_before, True, state
    except (TimeoutError, Unavailable) as error:
        acceptance.record_failure(error)
        detail = "Redis is unavailable, so no provider can be called; the request was not accepted."
        raise ProviderUnavailable(detail) from error


async def _state(dependencies: Dependencies, stored: StoredRequest, seconds: float) -> ProviderAvailability | None:
    """The provider's current state; None if Redis does not answer within `seconds`."""
    if not dependencies.acceptance.redis_unavailable:
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(seconds):
                return (await dependencies.availability.read())[stored.provider]
    return None


def _queued_response(
    dependencies: Dependencies,
    stored: StoredRequest,
    queued_before: int | None,
    prefer: Prefer,
    plan: WaitPlan,
    state: ProviderAvailability | None,
) -> Response:
    message, provider_state = explain(stored, state)
    minutes = None if queued_before is None else dependencies.estimate.minutes(stored.provider, queued_before)
    body = LLMQueuedResponse(
        queue_id=stored.queue_id,
        message=message,
        estimated_wait_minutes=minutes,
        correlation_id=stored.correlation_id,
        trace_id=own_trace_id(stored.traceparent) if stored.traceparent else None,
        provider_state=provider_state,
    )
    applied = ", ".join(filter(None, ("respond-async" if prefer.respond_async else None, plan.applied_wait)))
    return Response(dumps(body), 202, {"Preference-Applied": applied} if applied else None, JSON)


def announce(dependencies: Dependencies, stored: StoredRequest) -> None:
    """Log and publish the acceptance."""
    dependencies.observer(Note("ledger.admitted", labels={"provider": stored.provider}))
    event = LLMQueueStatusV1(
        queue_id=str(stored.queue_id),
        correlation_id=stored.correlation_id,
        status=QueueStatus.QUEUED,
        event=QueueEvent.QUEUED,
        provider=stored.provider,
        model=stored.model,
        attempt=0,
        occurred_at=stored.requested_at,
    )
    dependencies.lifecycle.send(event, stored)
