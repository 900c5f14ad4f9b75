"""POST /api/v1/comparison/{queue_id}/redeliver and /api/v1/comparison/redeliver: publish results again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from fastapi import APIRouter
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from contracts.encoding import dumps
from contracts.enums import QueueStatus
from contracts.errors import UmpireError, Unavailable
from contracts.http import (
    LLMRedeliveredResponse,
    LLMRedeliveryItem,
    LLMRedeliveryRequest,
    LLMRedeliveryResponse,
)
from contracts.topics import result_event_id
from service.dependencies import dependencies_of
from service.idempotency import key_in
from service.redelivery import RedeliveryAccepted
from service.responses import JSON
from service.routes.cancellation import QueueId
from service.routes.openapi_redelivery import REDELIVERIES, REDELIVERY
from telemetry.observer import Note
from web.auth import api_key_of, charge_batch, owner_of, redis_seconds
from web.body import check_media_type, parse, read_body
from web.problem import CORRELATION_ID, problem, problem_of, retry_after
from web.request_headers import RequestHeaders

router = APIRouter(prefix="/api/v1")

#: Largest body, in bytes: several times the longest request.
MAX_BODY_BYTES = 65_536

_UNAVAILABLE = "Redis is unavailable; nothing may have been redelivered. Try again: consumers drop a repeated event."


@router.post("/comparison/redeliver", **REDELIVERIES)
async def redeliver_comparisons(request: Request) -> Response:
    dependencies, headers = dependencies_of(request), RequestHeaders(request.scope)
    # All problems of the items have the same.
    request.scope[CORRELATION_ID] = uuid4()
    queue_ids = (await _receive(request, headers)).queue_ids
    idempotency_key = key_in(headers)
    await charge_batch(request.scope, dependencies.authenticator, len(queue_ids))
    async with _redis_in_time(request):
        outcomes = await dependencies.redelivery.many(queue_ids, api_key_of(request.scope), idempotency_key)
    items = [
        _item(request, index, queue_id, outcome)
        for index, (queue_id, outcome) in enumerate(zip(queue_ids, outcomes, strict=True))
    ]
    refused = [outcome for outcome in outcomes if isinstance(outcome, UmpireError)]
    for error in refused:
        dependencies.observer(Note("http.refused", labels={"error_code": error.code.value}))
    accepted = len(items) - len(refused)
    if not accepted:
        first = refused[0]
        detail = f"none of the {len(items)} results will be published again; the first one: {first.message}"
        whole = type(first)(detail, retry_after=first.retry_after, **first.details)
        return problem(whole, request.scope, members={"items": items})
    body = LLMRedeliveryResponse(
        accepted=accepted,
        refused=len(refused),
        message=f"{accepted} of {len(items)} results will be published again",
        items=items,
    )
    replayed = all(outcome.replayed for outcome in outcomes if isinstance(outcome, RedeliveryAccepted))
    sent = {"Idempotency-Replayed": "true"} if replayed else {}
    if waits := [wait for error in refused if (wait := retry_after(error)) is not None]:
        sent["Retry-After"] = str(max(waits))
    return Response(dumps(body), 207 if refused else 202, sent, JSON)


@router.post("/comparison/{queue_id}/redeliver", **REDELIVERY)
async def redeliver_comparison(request: Request, queue_id: QueueId) -> Response:
    idempotency_key = key_in(RequestHeaders(request.scope))
    async with _redis_in_time(request):
        accepted = await dependencies_of(request).redelivery.one(queue_id, api_key_of(request.scope), idempotency_key)
    body = LLMRedeliveredResponse(
        queue_id=queue_id,
        event_id=result_event_id(queue_id),
        redelivery=accepted.number,
        callback_topic=accepted.topic,
        message=f"The result will be published again on {accepted.topic}",
    )
    return Response(dumps(body), 202, {"Idempotency-Replayed": "true"} if accepted.replayed else None, JSON)


async def _receive(request: Request, headers: RequestHeaders) -> LLMRedeliveryRequest:
    dependencies = dependencies_of(request)
    check_media_type(headers)
    reservation = dependencies.body_budget.reservation(owner_of(request.scope))
    seconds = dependencies.settings.service.body_seconds
    try:
        body = await read_body(headers, request.receive, reservation, limit=MAX_BODY_BYTES, seconds=seconds)
    finally:
        reservation.release()
    return parse(LLMRedeliveryRequest, body)


@asynccontextmanager
async def _redis_in_time(request: Request) -> AsyncIterator[None]:
    """Raises Unavailable if Redis does not answer in time."""
    try:
        async with asyncio.timeout(redis_seconds(request.scope, dependencies_of(request).settings.service)):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(_UNAVAILABLE) from error


def _item(request: Request, index: int, queue_id: UUID, outcome: RedeliveryAccepted | UmpireError) -> LLMRedeliveryItem:
    if isinstance(outcome, UmpireError):
        return LLMRedeliveryItem(index=index, queue_id=queue_id, error=problem_of(outcome, request.scope))
    return LLMRedeliveryItem(
        index=index,
        queue_id=queue_id,
        status=QueueStatus.QUEUED,
        event_id=result_event_id(queue_id),
        redelivery=outcome.number,
        callback_topic=outcome.topic,
    )
