"""The `Idempotency-Key` request header: a repeated request is answered with the queue id of the first one."""

import re
from uuid import UUID, uuid5

from starlette.responses import Response

from contracts.encoding import dumps
from contracts.errors import InvalidRequest
from contracts.http import LLMQueuedResponse
from ledger.idempotency import IdempotencyKey
from ledger.request import StoredRequest
from service.responses import JSON
from web.request_headers import RequestHeaders

#: 1 to 255 printable ASCII characters. White space around a header's value is not part of the key.
KEY_PATTERN = r"[!-~](?:[ -~]{0,253}[!-~])?"

_KEY = re.compile(KEY_PATTERN)

#: Namespace of correlation ids that are made from an Idempotency-Key.
_NAMESPACE = UUID("0b0f3c52-6a0e-4b0f-9d9e-7f1f3f1c2a44")


def key_in(headers: RequestHeaders) -> str | None:
    """The key as sent; None without the header. Raises InvalidRequest."""
    values = [value.strip(" \t") for value in headers.getlist("idempotency-key")]
    if not values:
        return None
    if len(values) != 1 or not _KEY.fullmatch(values[0]):
        raise InvalidRequest("Idempotency-Key: one line of 1 to 255 printable ASCII characters")
    return values[0]


def idempotency_key_of(key: str | None, stored: StoredRequest, index: int | None = None) -> IdempotencyKey | None:
    """The same key of another owner is a different key, and so is that of another `index` within a batch."""
    if key is None:
        return None
    # No key that is sent contains a NUL.
    return IdempotencyKey.of(key if index is None else f"{key}\0{index}", stored.request, scope=stored.owner or "")


def with_stable_correlation_id(stored: StoredRequest, idempotency_key: IdempotencyKey) -> StoredRequest:
    """If the caller chose no correlation id, derive it from the key, so that each repetition gets the same one."""
    if stored.request.correlation_id is not None:
        return stored
    return stored.model_copy(update={"correlation_id": uuid5(_NAMESPACE, idempotency_key.key)})


def replayed_response(queue_id: UUID, stored: StoredRequest) -> Response:
    """202, never the verdict, even if it exists by now: the callback topic gets it in any case."""
    topic = stored.request.callback_topic
    body = LLMQueuedResponse(
        queue_id=queue_id,
        message=f"Already accepted with this Idempotency-Key; the verdict is published on {topic}",
        correlation_id=stored.correlation_id,
    )
    return Response(dumps(body), 202, {"Idempotency-Replayed": "true"}, JSON)
