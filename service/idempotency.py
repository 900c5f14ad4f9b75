"""The `Idempotency-Key` request header: a request sent again is answered with the queue id of the first time."""

import re
from uuid import UUID

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
_LINE = "Idempotency-Key: one line of 1 to 255 printable ASCII characters"


def once_of(heads: Heads, request: LLMComparisonRequest, *, scope: str = "") -> Once:
    """`scope`: whose key it is. Raises InvalidRequest."""
    if len(heads.idempotency_key) != 1 or not _KEY.fullmatch(heads.idempotency_key[0].strip(" \t")):
        raise InvalidRequest(_LINE)
    return Once.of(heads.idempotency_key[0].strip(" \t"), request, scope=scope)


def repeated(queue_id: UUID, stored: StoredRequest) -> Response:
    """Never a verdict, though there may be one by now: it went to the callback topic, as it would have anyway."""
    body = LLMQueuedResponse(
        queue_id=queue_id,
        message=f"Accepted before, with this Idempotency-Key; the verdict comes on {stored.request.callback_topic}",
    )
    return Response(dumps(body), 202, {"Idempotency-Replayed": "true"}, JSON)
