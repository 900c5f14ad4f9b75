"""The `Idempotency-Key` request header: a repeated request is answered with the queue id of the first one."""

import re
from uuid import UUID, uuid5

from starlette.responses import Response

from contracts.encoding import dumps
from contracts.errors import InvalidRequest
from contracts.http import LLMComparisonRequest, LLMQueuedResponse
from ledger.idempotency import IdempotencyKey
from ledger.request import StoredRequest
from service.responses import JSON
from web.request_headers import RequestHeaders

#: 1 to 255 printable ASCII characters. White space around a header's value is not part of the key.
KEY_PATTERN = r"[!-~](?:[ -~]{0,253}[!-~])?"

_KEY = re.compile(KEY_PATTERN)

#: Namespace of correlation ids that are made from an Idempotency-Key.
_NAMESPACE = UUID("0b0f3c52-6a0e-4b0f-9d9e-7f1f3f1c2a44")
_LINE = "Idempotency-Key: one line of 1 to 255 printable ASCII characters"


def idempotency_key_of(headers: RequestHeaders, request: LLMComparisonRequest, *, scope: str = "") -> IdempotencyKey:
    """`scope`: owner of the key; the same key of another owner is a different one. Raises InvalidRequest."""
    if len(headers.idempotency_key) != 1 or not _KEY.fullmatch(headers.idempotency_key[0].strip(" \t")):
        raise InvalidRequest(_LINE)
    return IdempotencyKey.of(headers.idempotency_key[0].strip(" \t"), request, scope=scope)


def same_every_time(stored: StoredRequest, idempotency_key: IdempotencyKey) -> StoredRequest:
    """If the caller chose no correlation id, derive it from the key, so that each repetition gets the same one."""
    if stored.request.correlation_id is not None:
        return stored
    return stored.model_copy(update={"correlation_id": uuid5(_NAMESPACE, idempotency_key.key)})


def repeated(queue_id: UUID, stored: StoredRequest) -> Response:
    """202, never the verdict, even if there is one by now: that goes to the callback topic in any case."""
    body = LLMQueuedResponse(
        queue_id=queue_id,
        message=f"Accepted before, with this Idempotency-Key; the verdict comes on {stored.request.callback_topic}",
        correlation_id=stored.correlation_id,
    )
    return Response(dumps(body), 202, {"Idempotency-Replayed": "true"}, JSON)
