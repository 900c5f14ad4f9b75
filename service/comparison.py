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
from contracts.http import LLMQueuedResponse
from contracts.trace import own_trace_id
from guard.availability import ProviderAvailability
from ledger.idempotency import AlreadyAccepted, IdempotencyKey
from ledger.request import StoredRequest
from service.answers import JSON, answer, result_of
from service.bodies import Room
from service.body import check_media_type, parse, read_body, salvage_correlation_id
from service.caller import default_mode, key_of, owner_of, redis_seconds
from service.heads import Heads, read_heads
from service.idempotency import idempotency_key_of, repeated, same_every_time
from service.json_values import MIN_VALUES, bound_values
from service.openapi import COMPARISON
from service.parts import Parts, parts_of
from service.plain_route import PlainRoute
from service.prefer import NO_PREFERENCE, Prefer, parse_prefer
from service.problem import CORRELATION_ID, QUEUE_ID
from service.waiting import explain, refusal
from telemetry.observer import Note

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
    parts = parts_of(request)
    room = parts.bodies.room(owner_of(request.scope))
    try:
        return await _submit(parts, read_heads(request.scope), request, room)
    finally:
        room.leave()


async def _submit(parts: Parts, heads: Heads, request: Request, room: Room) -> Response:
    scope, settings = request.scope, parts.settings.service
    stored = await _receive(parts, heads, request, room)
    idempotency_key = (
        idempotency_key_of(heads, stored.request, scope=stored.owner or "") if heads.idempotency_key else None
    )
    if idempotency_key is not None:
        stored = same_every_time(stored, idempotency_key)
    scope[CORRELATION_ID] = stored.correlation_id
    seconds = redis_seconds(scope, settings)
    prefer = parse_prefer(tuple(heads.prefer)) if heads.prefer else NO_PREFERENCE
    default = default_mode(scope, settings)
    chosen = way(stored.request.processing_mode, prefer, default, settings.immediate_wait_seconds)
    try:
        if chosen.mode is ProcessingMode.QUEUE:
            ahead, _, state = await _admit(parts, stored, chosen, idempotency_key, seconds)
            _accepted(parts, stored, scope)
            return _queued(parts, stored, ahead, prefer, chosen, state)
        with parts.replies.expect(stored.queue_id) as waiter:
            ahead, available, state = await _admit(parts, stored, chosen, idempotency_key, seconds)
            _accepted(parts, stored, scope)
            if room.taken:
                # The ledger has the prompt now: a long one is not kept in memory while its client waits.
                stored = stored.without_prompt()
                room.leave()
            event = await parts.waits.result(waiter, chosen.patience) if available and chosen.patience else None
    except AlreadyAccepted as before:
        return repeated(before.queue_id, stored)
    result = result_of(event, parts.observer) if event is not None else None
    if result is None:
        return _queued(parts, stored, ahead, prefer, chosen, state)
    headers = {"Preference-Applied": chosen.applied_wait} if chosen.applied_wait else {}
    return answer(result, stored, scope, headers)


ROUTE = next(route for route in router.routes if isinstance(route, PlainRoute))


async def _receive(parts: Parts, heads: Heads, request: Request, room: Room) -> StoredRequest:
    check_media_type(heads)
    settings = parts.settings.service
    limit, seconds = settings.max_body_bytes, settings.body_seconds
    body = await read_body(heads, request.receive, room, limit=limit, seconds=seconds)
    await bound_values(body, max(MIN_VALUES, settings.max_metadata_bytes // 2))
    try:
        received = parse(body)
    except InvalidRequest:
        request.scope[CORRELATION_ID] = salvage_correlation_id(body)
        raise
    request.scope[CORRELATION_ID] = received.correlation_id
    traceparent = heads.traceparent[0] if len(heads.traceparent) == 1 else None
    return parts.admission.check(received, len(body), traceparent, key_of(request.scope))


async def _admit(
    parts: Parts, stored: StoredRequest, chosen: Way, idempotency_key: IdempotencyKey | None, seconds: float
) -> tuple[int | None, bool, ProviderAvailability | None]:
    """Accept the request, with `seconds` for all Redis operations together.

    Returns the number of requests queued before it (None: unknown), whether its provider takes it now, and the
    provider's state (None: unknown). Mode `immediate` never uses the spool: it promises a verdict or a refusal.
    """
    if chosen.mode is not ProcessingMode.IMMEDIATE:
        # A client that does not wait for its verdict does not wait for the state either: it gets the last one known.
        state, left = parts.availability.latest.get(stored.provider), seconds
        available = False
        if chosen.patience:
            state, left = await _state(parts, stored, seconds)
            available = state is not None and state.takes(stored.model)
        reply_to = parts.replies.name if available else None
        accepted = await parts.acceptance.accept(
            stored, reply_to=reply_to, idempotency_key=idempotency_key, seconds=left
        )
        return accepted.ahead, available and accepted.ahead is not None, state
    by = time.monotonic() + seconds
    try:
        async with asyncio.timeout(seconds):
            state = (await parts.availability.read())[stored.provider]
            if not state.takes(stored.model):
                if idempotency_key is not None and (before := await parts.ledger.recall(idempotency_key)):
                    raise AlreadyAccepted(before)
                raise refusal(stored, state)
            reply_to = parts.replies.name if chosen.patience else None
            return (
                await parts.acceptance.admit(stored, reply_to=reply_to, idempotency_key=idempotency_key, by=by),
                True,
                state,
            )
    except (TimeoutError, Unavailable) as error:
        parts.acceptance.failed(error)
        raise ProviderUnavailable("No provider can be reached now: Redis is unavailable.") from error


async def _state(parts: Parts, stored: StoredRequest, seconds: float) -> tuple[ProviderAvailability | None, float]:
    """The provider's current state (None: Redis does not answer), and what is left of `seconds`."""
    if parts.acceptance.redis_away:
        return None, seconds
    started = time.monotonic()
    state: ProviderAvailability | None = None
    with suppress(TimeoutError, Unavailable):
        async with asyncio.timeout(seconds):
            state = (await parts.availability.read())[stored.provider]
    return state, max(0.0, seconds - (time.monotonic() - started))


def _queued(
    parts: Parts,
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
        estimated_wait_minutes=None if ahead is None else parts.estimate.minutes(stored.provider, ahead),
        correlation_id=stored.correlation_id,
        trace_id=own_trace_id(stored.traceparent) if stored.traceparent else None,
        provider_state=provider_state,
    )
    applied = ", ".join(filter(None, ("respond-async" if prefer.respond_async else None, chosen.applied_wait)))
    return Response(dumps(body), 202, {"Preference-Applied": applied} if applied else None, JSON)


def _accepted(parts: Parts, stored: StoredRequest, scope: Scope) -> None:
    """Log and publish the acceptance. From here on every answer carries the queue id, errors too."""
    scope[QUEUE_ID] = stored.queue_id
    queue_id = str(stored.queue_id)
    parts.observer(Note("ledger.admitted", labels={"provider": stored.provider.value}))
    parts.lifecycle.tell(
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
