"""POST /api/v1/comparison/batch: submits up to MAX_BATCH comparisons, each of which is accepted or refused."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from contracts.base import Incoming
from contracts.encoding import dumps
from contracts.enums import ProcessingMode
from contracts.errors import ContentTooLong, InvalidConfig, UmpireError
from contracts.http import MAX_BATCH, LLMBatchItem, LLMBatchResponse, LLMComparisonRequest
from ledger.idempotency import AlreadyAccepted
from ledger.ledger import Submission
from ledger.redis.pieces import in_pieces
from ledger.request import StoredRequest
from service.admit_or_spool import Outcome
from service.dependencies import Dependencies, dependencies_of
from service.idempotency import idempotency_key_of, key_in, with_stable_correlation_id
from service.responses import JSON
from service.routes.comparison import announce, receive_body, traceparent_in
from service.routes.openapi_batch import BATCH
from telemetry.observer import Note
from web.asgi import PlainRoute
from web.auth import api_key_of, charge_batch, owner_of, redis_seconds
from web.body import invalid, parse, salvage_correlation_id_of
from web.body_budget import BodyReservation
from web.problem import problem, problem_of, retry_after
from web.request_headers import RequestHeaders

router = APIRouter(route_class=PlainRoute)


class Refused(NamedTuple):
    """Why a comparison is not accepted."""

    error: UmpireError
    correlation_id: UUID | None


class Accepted(NamedTuple):
    stored: StoredRequest
    #: The first one's, if the comparison was accepted before with its Idempotency-Key.
    queue_id: UUID
    queued_before: int | None


def _kept(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """An invalid comparison becomes a Refused, so that the others stay valid."""
    try:
        return validate(value)
    except ValidationError as error:
        return Refused(invalid(error), salvage_correlation_id_of(value))


class _Batch(Incoming):
    """An LLMBatchRequest in which a Refused stands for each invalid comparison."""

    comparisons: Annotated[
        list[Annotated[LLMComparisonRequest, WrapValidator(_kept)]], Field(min_length=1, max_length=MAX_BATCH)
    ]


@router.post("/api/v1/comparison/batch", **BATCH)
async def submit_batch(request: Request) -> Response:
    dependencies = dependencies_of(request)
    reservation = dependencies.body_budget.reservation(owner_of(request.scope))
    try:
        checked = await _receive(dependencies, request, reservation)
        submissions = [one for one in checked if isinstance(one, Submission)]
        seconds = redis_seconds(request.scope, dependencies.settings.service)
        outcomes = iter(await dependencies.acceptance.accept_all(submissions, seconds=seconds))
    finally:
        reservation.release()
    results = [one if isinstance(one, Refused) else _result(one.stored, next(outcomes)) for one in checked]
    return _response(dependencies, request.scope, results)


async def _receive(
    dependencies: Dependencies, request: Request, reservation: BodyReservation
) -> list[Submission | Refused]:
    headers, limit = RequestHeaders(request.scope), dependencies.settings.service.max_batch_body_bytes
    body = await receive_body(dependencies, headers, request, reservation, limit=limit)
    comparisons: Sequence[LLMComparisonRequest | Refused] = parse(_Batch, body).comparisons
    key, traceparent = key_in(headers), traceparent_in(headers)
    await charge_batch(request.scope, dependencies.authenticator, len(comparisons))

    def check(index: int, received: LLMComparisonRequest) -> Submission:
        """Raises InvalidRequest."""
        if received.processing_mode is ProcessingMode.IMMEDIATE:
            message = "processing_mode: a batch does not wait for verdicts; submit an immediate comparison alone"
            raise InvalidConfig(message, reason="immediate_in_batch")
        most = dependencies.settings.service.max_body_bytes
        if len(body) > most and len(dumps(received)) > most:
            raise ContentTooLong(f"the comparison is longer than {most} bytes", limit_bytes=most)
        stored = dependencies.admission.check(received, len(body), traceparent, api_key_of(request.scope))
        idempotency_key = idempotency_key_of(key, stored, index)
        if idempotency_key is not None:
            stored = with_stable_correlation_id(stored, idempotency_key)
        return Submission(stored, idempotency_key)

    checked: list[Submission | Refused] = []
    async for received in in_pieces(comparisons):
        if isinstance(received, LLMComparisonRequest):
            try:
                checked.append(check(len(checked), received))
            except UmpireError as error:
                checked.append(Refused(error, received.correlation_id))
        else:
            checked.append(received)
    return checked


def _result(stored: StoredRequest, outcome: Outcome) -> Accepted | Refused:
    match outcome:
        case AlreadyAccepted():
            return Accepted(stored, outcome.queue_id, None)
        case UmpireError():
            return Refused(outcome, stored.correlation_id)
        case _:
            return Accepted(stored, stored.queue_id, outcome)


def _response(dependencies: Dependencies, scope: Scope, results: Sequence[Accepted | Refused]) -> Response:
    """202, 207, or a problem, in the order of the request. A new acceptance is announced after the answer."""
    items = [_item(dependencies, scope, index, one) for index, one in enumerate(results)]
    errors = [one.error for one in results if isinstance(one, Refused)]
    for error in errors:
        dependencies.observer(Note("http.refused", labels={"error_code": error.code.value}))
    accepted = [one for one in results if isinstance(one, Accepted)]
    if not accepted:
        first = errors[0]
        detail = f"none of the {len(errors)} comparisons was accepted; the first one: {first.message}"
        whole = type(first)(detail, retry_after=first.retry_after, **first.details)
        return problem(whole, scope, members={"items": items})
    body = LLMBatchResponse(
        accepted=len(accepted),
        refused=len(errors),
        message=f"{len(accepted)} of {len(items)} accepted; each verdict will be published on its callback topic",
        items=items,
    )
    new = [one.stored for one in accepted if one.queue_id == one.stored.queue_id]
    headers = {"Idempotency-Replayed": "true"} if len(new) < len(accepted) else {}
    if waits := [wait for error in errors if (wait := retry_after(error)) is not None]:
        headers["Retry-After"] = str(max(waits))
    announcement = BackgroundTask(_announce_all, dependencies, new)
    return Response(dumps(body), 207 if errors else 202, headers, JSON, announcement)


def _item(dependencies: Dependencies, scope: Scope, index: int, result: Accepted | Refused) -> LLMBatchItem:
    if isinstance(result, Refused):
        error = problem_of(result.error, scope, correlation_id=result.correlation_id)
        return LLMBatchItem(index=index, correlation_id=error.correlation_id, error=error)
    stored, queue_id, queued_before = result
    return LLMBatchItem(
        index=index,
        queue_id=queue_id,
        correlation_id=stored.correlation_id,
        status="queued",
        estimated_wait_minutes=(
            None if queued_before is None else dependencies.estimate.minutes(stored.provider, queued_before)
        ),
    )


async def _announce_all(dependencies: Dependencies, accepted: Sequence[StoredRequest]) -> None:
    async for stored in in_pieces(accepted):
        announce(dependencies, stored)
