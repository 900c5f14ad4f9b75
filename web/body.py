"""Reads a request's body, at most its limit of bytes, and parses it."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from contracts.errors import ContentTooLong, InvalidRequest
from contracts.http import AnyUrnUUID
from web.body_budget import UNCOUNTED_BYTES, BodyReservation
from web.handlers import invalid_request
from web.lazy_timeout import lazy_timeout
from web.request_headers import RequestHeaders

ModelT = TypeVar("ModelT", bound=BaseModel)

#: With more errors than this only their number is reported: a body can have a million, and each costs memory.
MAX_ERRORS = 1_000

_BYTE_ORDER_MARKS = (BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)


def check_media_type(headers: RequestHeaders) -> None:
    """Accept JSON, or no content type, without compression. Raises HTTPException 415."""
    media_type = headers.get("content-type").partition(";")[0].strip().lower()
    if media_type not in {"", "application/json"}:
        raise HTTPException(415, "the body must be application/json", {"Accept": "application/json"})
    encodings = {one.strip().lower() for one in headers.getlist("content-encoding")} - {"", "identity"}
    transfers = {one.strip().lower() for one in headers.getlist("transfer-encoding")} - {"chunked"}
    if encodings or transfers:
        raise HTTPException(415, "the body must not be compressed", {"Accept-Encoding": "identity"})


async def read_body(
    headers: RequestHeaders, receive: Receive, reservation: BodyReservation, *, limit: int, seconds: float
) -> bytes:
    """Raises ContentTooLong before more than `limit` bytes are in memory, QueueFull, HTTPException 408 after `seconds`,
    ClientDisconnect.
    """
    length = headers.get("content-length")
    # The server's parser refuses anything but a number of 64 bits. Without a length, reserve for the longest body.
    size = int(length) if length.isdecimal() else limit
    if size > limit:
        raise _too_long(limit)
    try:
        return await lazy_timeout(seconds, _read(receive, reservation, limit, size))
    except TimeoutError:
        raise HTTPException(408, "the body did not arrive in time", {"Connection": "close"}) from None


async def _read(receive: Receive, reservation: BodyReservation, limit: int, reserved_size: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        if size <= UNCOUNTED_BYTES < size + len(part):
            await reservation.acquire(reserved_size)
        size += len(part)
        if size > limit:
            raise _too_long(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return part if len(parts) == 1 else b"".join(parts)


def _too_long(limit: int) -> ContentTooLong:
    return ContentTooLong(f"the body is longer than {limit} bytes", limit_bytes=limit)


def parse(model: type[ModelT], body: bytes) -> ModelT:
    """Strict: a number in quotes is an error. If a key is given twice, the last one counts. Raises InvalidRequest."""
    if body.startswith(_BYTE_ORDER_MARKS):
        # A parser may ignore the byte order mark that some editors and clients write (RFC 8259, 8.1).
        if not body.startswith(BOM_UTF8):
            raise InvalidRequest("the body must be UTF-8; it begins with the byte order mark of UTF-16")
        body = body.removeprefix(BOM_UTF8)
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        # `from None`: the cause would carry the input, perhaps an essay, into a log.
        raise invalid(error) from None


def invalid(error: ValidationError) -> InvalidRequest:
    """The typed error that stands for pydantic's."""
    if error.error_count() > MAX_ERRORS:
        return InvalidRequest(f"the body is invalid in {error.error_count()} places")
    return invalid_request(error.errors(include_url=False, include_input=False, include_context=False))


class _CorrelationId(BaseModel):
    """All other fields of the body are dropped."""

    correlation_id: AnyUrnUUID


def salvage_correlation_id(body: bytes) -> UUID | None:
    """The correlation id of an invalid body; None if it cannot be read."""
    try:
        return _CorrelationId.model_validate_json(body.removeprefix(BOM_UTF8)).correlation_id
    except ValidationError:
        return None


def salvage_correlation_id_of(value: object) -> UUID | None:
    """The same of an invalid value within a body."""
    try:
        return _CorrelationId.model_validate(value).correlation_id
    except ValidationError:
        return None
