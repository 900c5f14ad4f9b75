"""The `Idempotency-Key` request header: a request sent again is answered with the queue id of the first time."""

import re
from uuid import UUID, uuid5

from starlette.responses import Response

from contracts.encoding import dumps
from contracts.errors import InvalidRequest
from contracts.http import LLMComparisonRequest, LLMQueuedResponse
from ledger.once import Once
from ledger.request import StoredRequest
from service.answers import JSON
from service.heads import Heads

#: Printable ASCII, up to 255 of it. The white space around a header's value is not part of it.
KEY_PATTERN = r"[!-~](?:[ -~]{0,253}[!-~])?"

_KEY = re.compile(KEY_PATTERN)

#: Namespace of correlation ids that are made from an Idempotency-Key.
_NAMESPACE = UUID("0b0f3c52-6a0e-4b0f-9d9e-7f1f3f1c2a44")
_LINE = "Idempotency-Key: one line of 1 to 255 printable ASCII characters"


def once_of(heads: Heads, request: LLMComparisonRequest, *, scope: str = "") -> Once:
    """`scope`: whose key it is. Raises InvalidRequest."""
    if len(heads.idempotency_key) != 1 or not _KEY.fullmatch(heads.idempotency_key[0].strip(" \t")):
        raise InvalidRequest(_LINE)
    return Once.of(heads.idempotency_key[0].strip(" \t"), request, scope=scope)


def same_every_time(stored: StoredRequest, once: Once) -> StoredRequest:
    """With a correlation id that a repetition of the request gets, too, where its caller chose none."""
    if stored.request.correlation_id is not None:
        return stored
    return stored.model_copy(update={"correlation_id": uuid5(_NAMESPACE, once.key)})


def repeated(queue_id: UUID, stored: StoredRequest) -> Response:
    """Never a verdict, though there may be one by now: it went to the callback topic, as it would have anyway."""
    body = LLMQueuedResponse(
        queue_id=queue_id,
        message=f"Accepted before, with this Idempotency-Key; the verdict comes on {stored.request.callback_topic}",
        correlation_id=stored.correlation_id,
    )
    return Response(dumps(body), 202, {"Idempotency-Replayed": "true"}, JSON)
