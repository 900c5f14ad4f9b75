"""DELETE /api/v1/comparison/{queue_id}: cancels a comparison that has not started."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from redis.exceptions import RedisError
from starlette.requests import Request

from contracts.enums import QueueStatus
from contracts.errors import NotFound, RequestCancelled, TooLate, Unavailable
from contracts.http import LLMCancelledResponse
from ledger.completion import UNCLAIMED_STATES
from ledger.request import StoredRequest
from ledger.sweeps import Orphan
from service.dependencies import Dependencies, dependencies_of
from service.routes.openapi import CANCELLATION
from telemetry.observer import Note
from web.auth import owner_of, redis_seconds
from web.problem import CORRELATION_ID

router = APIRouter(prefix="/api/v1")

QueueId = Annotated[
    UUID, Path(description="The `queue_id` of the 202 or 200.", examples=["5c9c1f0e-6f0b-4d57-9a38-8d6b0f6a1f11"])
]


@router.delete("/comparison/{queue_id}", **CANCELLATION)
async def cancel_comparison(request: Request, queue_id: QueueId) -> LLMCancelledResponse:
    dependencies = dependencies_of(request)
    try:
        async with asyncio.timeout(redis_seconds(request.scope, dependencies.settings.service)):
            stored = await _cancel(dependencies, request, queue_id)
    except (RedisError, OSError, TimeoutError) as error:
        detail = "Redis is unavailable; the comparison may not be cancelled. Try again."
        raise Unavailable(detail) from error
    return LLMCancelledResponse(
        queue_id=queue_id, message=f"Cancelled; an error result will be published on {stored.request.callback_topic}"
    )


async def _cancel(dependencies: Dependencies, request: Request, queue_id: UUID) -> StoredRequest:
    """Read the comparison and end it; repeat if its state changed in between. Another key's comparison is unknown.

    Raises TooLate, NotFound, or Unavailable if the comparison is still in the spool.
    """
    owner = owner_of(request.scope)
    while (found := await dependencies.unclaimed.find(queue_id)) and owner in {None, found.owner}:
        if not found.readable:
            detail = "a newer version of the service wrote the comparison; this one can neither read nor cancel it"
            raise TooLate(detail, state=found.state)
        stored = found.stored
        if stored is not None:
            request.scope[CORRELATION_ID] = stored.correlation_id
        if stored is None or found.state not in UNCLAIMED_STATES:
            what = "started" if found.state == QueueStatus.PROCESSING else "ended"
            raise TooLate(f"the comparison has {what}", state=found.state)
        error = RequestCancelled("cancelled by its caller")
        orphan = Orphan(stored, found.spent)
        if await dependencies.maintenance.finisher.end(orphan, error, QueueStatus.CANCELLED):
            dependencies.observer(Note("ledger.cancelled", labels={"provider": stored.provider.value}))
            return stored
    # Read the ledger again: the comparison may have moved there from the spool since the first read.
    if found is None and (
        await dependencies.spool.holds(queue_id, owner) or await _is_in_ledger(dependencies, queue_id, owner)
    ):
        detail = "Redis was unavailable when the comparison was accepted, and does not have it yet. Cancel again."
        raise Unavailable(detail, retry_after=1.0)
    raise NotFound("no comparison with this queue_id is known")


async def _is_in_ledger(dependencies: Dependencies, queue_id: UUID, owner: str | None) -> bool:
    found = await dependencies.unclaimed.find(queue_id)
    return found is not None and owner in {None, found.owner}
