"""Reads a request's body, never more of it than its limit, and parses it."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from contracts.errors import ContentTooLong, InvalidRequest
from contracts.http import AnyUrnUUID
from web.body_budget import FREE_BYTES, BodyReservation
from web.lazy_timeout import lazy_timeout
from web.request_headers import RequestHeaders
from web.validation import refusal

ModelT = TypeVar("ModelT", bound=BaseModel)

#: With more errors than this only their number is reported: a body can have a million, and each costs memory.
MAX_FAULTS = 1_000


def check_media_type(headers: RequestHeaders) -> None:
    """Accept JSON, or no content type, without compression. Raises HTTPException 415."""
    media_type = headers.content_type.partition(";")[0].strip().lower()
    if media_type not in {"", "application/json"}:
        raise HTTPException(415, "the body must be application/json", {"Accept": "application/json"})
    encodings = {one.strip().lower() for one in headers.content_encoding} - {"", "identity"}
    transfers = {one.strip().lower() for one in headers.transfer_encoding} - {"chunked"}
    if encodings or transfers:
        raise HTTPException(415, "the body must not be compressed", {"Accept-Encoding": "identity"})


async def read_body(
    headers: RequestHeaders, receive: Receive, room: BodyReservation, *, limit: int, seconds: float
) -> bytes:
    """Raises ContentTooLong before the limit is exceeded in memory, QueueFull, HTTPException 408, ClientDisconnect."""
    if headers.content_length is not None and headers.content_length > limit:
        raise _too_long(limit)
    try:
        announced = limit if headers.content_length is None else headers.content_length
        return await lazy_timeout(seconds, _read(receive, room, limit, announced))
    except TimeoutError:
        raise HTTPException(408, "the body did not arrive in time", {"Connection": "close"}) from None


async def _read(receive: Receive, room: BodyReservation, limit: int, announced: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        if size <= FREE_BYTES < size + len(part):
            await room.take(announced)
        size += len(part)
        if size > limit:
            raise _too_long(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return part if len(parts) == 1 else b"".join(parts)


def _too_long(limit: int) -> ContentTooLong:
    return ContentTooLong(f"the body is longer than {limit} bytes", limit_bytes=limit)


_MARKS = (BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)


def _without_mark(body: bytes) -> bytes:
    """Remove the byte order mark that some editors and clients write: a parser may ignore it (RFC 8259, 8.1).

    Raises InvalidRequest for the mark of UTF-16.
    """
    if not body.startswith(BOM_UTF8):
        raise InvalidRequest("the body must be UTF-8, and begins with the byte order mark of UTF-16")
    return body.removeprefix(BOM_UTF8)


def parse(model: type[ModelT], body: bytes) -> ModelT:
    """Strict: a number in quotes is an error. If a key is given twice, the last one counts. Raises InvalidRequest."""
    if body.startswith(_MARKS):
        body = _without_mark(body)
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        if error.error_count() > MAX_FAULTS:
            raise InvalidRequest(f"the body is wrong in {error.error_count()} places") from None
        # The cause would carry the input, perhaps an essay, into a log.
        raise refusal(error.errors(include_url=False, include_input=False, include_context=False)) from None


class _Salvaged(BaseModel):
    """All other fields of the body are dropped."""

    correlation_id: AnyUrnUUID


def salvage_correlation_id(body: bytes) -> UUID | None:
    """The correlation id of a refused body; None if it cannot be read."""
    try:
        return _Salvaged.model_validate_json(body.removeprefix(BOM_UTF8)).correlation_id
    except ValidationError:
        return None
