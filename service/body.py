"""Reading a request's body, never more of it than its limit, and making a request of it."""

import asyncio
from uuid import UUID

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from contracts.encoding import loads
from contracts.errors import ContentTooLong
from contracts.http import LLMComparisonRequest
from service.heads import Heads
from service.invalid import refusal

#: A client that has not sent its body by then is not going to.
BODY_SECONDS = 30.0


def check_media_type(heads: Heads) -> None:
    """JSON, said so or not said at all. Raises HTTPException 415."""
    media_type = heads.content_type.partition(";")[0].strip().lower()
    if media_type not in {"", "application/json"}:
        raise HTTPException(415, "the body must be application/json", {"Accept": "application/json"})
    if heads.content_encoding.strip().lower() not in {"", "identity"}:
        raise HTTPException(415, "the body must not be compressed", {"Accept-Encoding": "identity"})


async def read_body(heads: Heads, receive: Receive, limit: int) -> bytes:
    """Raises ContentTooLong before the limit is exceeded in memory, HTTPException 408, ClientDisconnect."""
    if heads.content_length is not None and heads.content_length > limit:
        raise _too_long(limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive, limit)
    except TimeoutError:
        raise HTTPException(408, "the body did not arrive in time") from None


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_long(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return part if len(parts) == 1 else b"".join(parts)


def _too_long(limit: int) -> ContentTooLong:
    return ContentTooLong(f"the body is longer than {limit} bytes", limit_bytes=limit)


def parse(body: bytes) -> LLMComparisonRequest:
    """Strict: a number in quotes is no number. Of a key given twice the last one counts. Raises InvalidRequest."""
    try:
        return LLMComparisonRequest.model_validate_json(body, strict=True)
    except ValidationError as error:
        # The cause would carry the input, an essay perhaps, into whoever logs it.
        raise refusal(error.errors(include_url=False, include_input=False, include_context=False)) from None


def salvage_correlation_id(body: bytes) -> UUID | None:
    """Of a body that was refused, where it can be read at all."""
    try:
        value = loads(body)
        return UUID(value["correlation_id"]) if isinstance(value, dict) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
