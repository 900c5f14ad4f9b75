"""POST /api/v1/comparison: submits a comparison. The API's hot path."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

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
from service.idempotency import idempotency_key_of, repeated, same_every_time
from service.provider_state import explain, refusal
from service.responses import JSON, answer, result_of
from service.routes.openapi import COMPARISON
from telemetry.observer import Note
from web.asgi import PlainRoute
from web.auth import default_mode, key_of, owner_of, redis_seconds
from web.body import check_media_type, parse, read_body, salvage_correlation_id
from web.body_budget import BodyReservation
from web.json_values import MIN_VALUES, bound_values
from web.prefer import NO_PREFERENCE, Prefer, parse_prefer
from web.problem import CORRELATION_ID, QUEUE_ID
from web.request_headers import RequestHeaders, read_headers

router = APIRouter(route_class=PlainRoute)


@dataclass(frozen=True, slots=True)
class Way:
    """How a request is to be answered."""

    mode: ProcessingMode
    #: Seconds to wait for the verdict; 0: answer 202 at once.
    patience: float
    #: What is honoured of `Prefer`, apart from respond-async.
    applied_wait: str | None = None


def way(asked: ProcessingMode | None, prefer: Prefer, default: ProcessingMode, longest: float) -> Way:
    """The mode in the body decides whether an unavailable provider means refusal; `Prefer` only how long to wait.

    Without a mode in the body, respond-async means `queue`.
    """
    mode = asked or (ProcessingMode.QUEUE if prefer.respond_async else default)
    waits = prefer.wait is not None if prefer.respond_async else mode is not ProcessingMode.QUEUE
    if asked is ProcessingMode.QUEUE or not waits:
        return Way(mode, 0.0)
    if mode is ProcessingMode.QUEUE:
        mode = ProcessingMode.QUEUE_IF_UNAVAILABLE
    if prefer.wait is None or prefer.wait > longest:
        return Way(mode, longest)
    return Way(mode, float(prefer.wait), f"wait={prefer.wait}")


@router.post("/api/v1/comparison", **COMPARISON)
async def submit_comparison(request: Request) -> Response:
    dependencies = dependencies_of(request)
    room = dependencies.bodies.room(owner_of(request.scope))
    try:
        return await _submit(dependencies, read_headers(request.scope), request, room)
    finally:
        room.leave()


async def _submit(
    dependencies: Dependencies, headers: RequestHeaders, request: Request, room: BodyReservation
) -> Response:
    scope, settings = request.scope, dependencies.settings.service
    stored = await _receive(dependencies, headers, request, room)
    idempotency_key = (
        idempotency_key_of(headers, stored.request, scope=stored.owner or "") if headers.idempotency_key else None
    )
    if idempotency_key is not None:
        stored = same_every_time(stored, idempotency_key)
    scope[CORRELATION_ID] = stored.correlation_id
    seconds = redis_seconds(scope, settings)
    prefer = parse_prefer(tuple(headers.prefer)) if headers.prefer else NO_PREFERENCE
    default = default_mode(scope, settings)
    chosen = way(stored.request.processing_mode, prefer, default, settings.immediate_wait_seconds)
    try:
        if chosen.mode is ProcessingMode.QUEUE:
            ahead, _, state = await _admit(dependencies, stored, chosen, idempotency_key, seconds)
            _accepted(dependencies, stored, scope)
            return _queued(dependencies, stored, ahead, prefer, chosen, state)
        with dependencies.replies.expect(stored.queue_id) as waiter:
            ahead, available, state = await _admit(dependencies, stored, chosen, idempotency_key, seconds)
            _accepted(dependencies, stored, scope)
            if room.taken:
                # The ledger has the prompt now: a long one is not kept in memory while its client waits.
                stored = stored.without_prompt()
                room.leave()
            event = await dependencies.waits.result(waiter, chosen.patience) if available and chosen.patience else None
    except AlreadyAccepted as before:
        return repeated(before.queue_id, stored)
    result = result_of(event, dependencies.observer) if event is not None else None
    if result is None:
        return _queued(dependencies, stored, ahead, prefer, chosen, state)
    applied = {"Preference-Applied": chosen.applied_wait} if chosen.applied_wait else {}
    return answer(result, stored, scope, applied)


ROUTE = next(route for route in router.routes if isinstance(route, PlainRoute))


async def _receive(
    dependencies: Dependencies, headers: RequestHeaders, request: Request, room: BodyReservation
) -> StoredRequest:
    check_media_type(headers)
    settings = dependencies.settings.service
    limit, seconds = settings.max_body_bytes, settings.body_seconds
    body = await read_body(headers, request.receive, room, limit=limit, seconds=seconds)
    await bound_values(body, max(MIN_VALUES, settings.max_metadata_bytes // 2))
    try:
        received = parse(LLMComparisonRequest, body)
    except InvalidRequest:
        request.scope[CORRELATION_ID] = salvage_correlation_id(body)
        raise
    request.scope[CORRELATION_ID] = received.correlation_id
    traceparent = headers.traceparent[0] if len(headers.traceparent) == 1 else None
    return dependencies.admission.check(received, len(body), traceparent, key_of(request.scope))


async def _admit(
    dependencies: Dependencies,
    stored: StoredRequest,
    chosen: Way,
    idempotency_key: IdempotencyKey | None,
    seconds: float,
) -> tuple[int | None, bool, ProviderAvailability | None]:
    """Accept the request, with `seconds` for all Redis operations together.

    Returns the number of requests queued before it (None: unknown), whether its provider takes it now, and the
    provider's state (None: unknown). Mode `immediate` never uses the spool: it promises a verdict or a refusal.
    """
    if chosen.mode is not ProcessingMode.IMMEDIATE:
        # A client that does not wait for its verdict does not wait for the state either: it gets the last one known.
        state, left = dependencies.availability.latest.get(stored.provider), seconds
        available = False
        if chosen.patience:
            state, left = await _state(dependencies, stored, seconds)
            available = state is not None and state.takes(stored.model)
        reply_to = dependencies.replies.name if available else None
        accepted = await dependencies.acceptance.accept(
            stored, reply_to=reply_to, idempotency_key=idempotency_key, seconds=left
        )
        return accepted.ahead, available and accepted.ahead is not None, state
    by = time.monotonic() + seconds
    try:
        async with asyncio.timeout(seconds):
            state = (await dependencies.availability.read())[stored.provider]
            if not state.takes(stored.model):
                if idempotency_key is not None and (before := await dependencies.ledger.recall(idempotency_key)):
                    raise AlreadyAccepted(before)
                raise refusal(stored, state)
            reply_to = dependencies.replies.name if chosen.patience else None
            return (
                await dependencies.acceptance.admit(stored, reply_to=reply_to, idempotency_key=idempotency_key, by=by),
                True,
                state,
            )
    except (TimeoutError, Unavailable) as error:
        dependencies.acceptance.failed(error)
        raise ProviderUnavailable("No provider can be reached now: Redis is unavailable.") from error


async def _state(
    dependencies: Dependencies, stored: StoredRequest, seconds: float
) -> tuple[ProviderAvailability | None, float]:
    """The provider's current state (None: Redis does not answer), and what is left of `seconds`."""
    if dependencies.acceptance.redis_away:
        return None, seconds
    started = time.monotonic()
    state: ProviderAvailability | None = None
    with suppress(TimeoutError, Unavailable):
        async with asyncio.timeout(seconds):
            state = (await dependencies.availability.read())[stored.provider]
    return state, max(0.0, seconds - (time.monotonic() - started))


def _queued(
    dependencies: Dependencies,
    stored: StoredRequest,
    ahead: int | None,
    prefer: Prefer,
    chosen: Way,
    state: ProviderAvailability | None,
) -> Response:
    message, provider_state = explain(stored, state)
    body = LLMQueuedResponse(
        queue_id=stored.queue_id,
        message=message,
        estimated_wait_minutes=None if ahead is None else dependencies.estimate.minutes(stored.provider, ahead),
        correlation_id=stored.correlation_id,
        trace_id=own_trace_id(stored.traceparent) if stored.traceparent else None,
        provider_state=provider_state,
    )
    applied = ", ".join(filter(None, ("respond-async" if prefer.respond_async else None, chosen.applied_wait)))
    return Response(dumps(body), 202, {"Preference-Applied": applied} if applied else None, JSON)


def _accepted(dependencies: Dependencies, stored: StoredRequest, scope: Scope) -> None:
    """Log and publish the acceptance. From here on every answer carries the queue id, errors too."""
    scope[QUEUE_ID] = stored.queue_id
    queue_id = str(stored.queue_id)
    dependencies.observer(Note("ledger.admitted", labels={"provider": stored.provider.value}))
    dependencies.lifecycle.tell(
        LLMQueueStatusV1(
            queue_id=queue_id,
            correlation_id=stored.correlation_id,
            status=QueueStatus.QUEUED,
            event=QueueEvent.QUEUED,
            provider=stored.provider,
            model=stored.model,
            attempt=0,
            occurred_at=stored.requested_at,
        ),
        queue_id=queue_id,
        traceparent=stored.traceparent,
    )
