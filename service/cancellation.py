"""DELETE /api/v1/comparison/{queue_id}: what has not started is not going to."""

import asyncio
from uuid import UUID

from fastapi import APIRouter
from redis.exceptions import RedisError
from starlette.requests import Request

from contracts.enums import QueueEvent, QueueStatus
from contracts.errors import NotFound, RequestCancelled, TooLate, Unavailable
from contracts.http import LLMCancelledResponse
from events.ending import ending_of, status_of
from events.headers import Headers
from events.result import Judgement, Spent
from ledger.cancellation import IDLE
from ledger.claims import Ending, Who
from ledger.request import StoredRequest
from providers.prompt import prompt_sha256
from service.openapi import CANCELLATION
from service.parts import Parts, parts_of
from service.problem import CORRELATION_ID
from telemetry.observer import Note

router = APIRouter(prefix="/api/v1")


@router.delete("/comparison/{queue_id}", **CANCELLATION)
async def cancel_comparison(request: Request, queue_id: UUID) -> LLMCancelledResponse:
    parts = parts_of(request)
    try:
        async with asyncio.timeout(parts.settings.service.door_redis_seconds):
            stored = await _cancel(parts, request, queue_id)
    except (RedisError, OSError, TimeoutError) as error:
        detail = "the ledger does not answer; whether the comparison was cancelled is unknown"
        raise Unavailable(detail) from error
    return LLMCancelledResponse(
        queue_id=queue_id,
        message=f"Cancelled; {stored.request.callback_topic} is told so",
    )


async def _cancel(parts: Parts, request: Request, queue_id: UUID) -> StoredRequest:
    """Look, and end it as it was seen; again where it changed in between."""
    while found := await parts.cancellation.find(queue_id):
        stored = found.stored
        if stored is not None:
            request.scope[CORRELATION_ID] = stored.correlation_id
        if stored is None or found.state not in IDLE:
            detail = (
                "the comparison has started" if found.state == QueueStatus.PROCESSING else "the comparison has ended"
            )
            raise TooLate(detail, state=found.state)
        spent = Spent.model_validate_json(found.spent) if found.spent else Spent()
        judgement = Judgement(model=stored.model, spent=spent, error=RequestCancelled("cancelled by its caller"))
        ending, headers = ending_of(
            stored,
            judgement,
            QueueStatus.CANCELLED,
            Who.IDLE,
            prompt_sha256=prompt_sha256(stored.request),
            settings=parts.settings.kafka,
        )
        entry_id = await parts.cancellation.cancel(ending)
        if entry_id is not None:
            _tell(parts, stored, entry_id, ending, headers, spent.attempts)
            return stored
    # The second look: it may have left the spool since the first.
    if await parts.spool.holds(queue_id) or await parts.cancellation.find(queue_id):
        raise Unavailable(
            "the comparison was accepted while the ledger was away, and is not in it yet", retry_after=1.0
        )
    raise NotFound("no comparison with this queue_id is known")


def _tell(
    parts: Parts, stored: StoredRequest, entry_id: bytes, ending: Ending, headers: Headers, attempts: int
) -> None:
    parts.relay.send(entry_id, ending.topic, ending.key, ending.event, headers)
    parts.observer(Note("ledger.cancelled", labels={"provider": stored.provider.value}))
    told = status_of(stored, QueueStatus.CANCELLED, QueueEvent.CANCELLED, attempts, RequestCancelled.code)
    parts.lifecycle.tell(told, queue_id=stored.queue_id, traceparent=stored.traceparent)
