"""The request headers that admission reads, found in one pass over the raw list."""

from dataclasses import dataclass, field

from starlette.types import Scope


@dataclass(slots=True)
class RequestHeaders:
    content_type: str = ""
    content_encoding: list[str] = field(default_factory=list)
    transfer_encoding: list[str] = field(default_factory=list)
    content_length: int | None = None
    prefer: list[str] = field(default_factory=list)
    traceparent: list[str] = field(default_factory=list)
    idempotency_key: list[str] = field(default_factory=list)


def read_headers(scope: Scope) -> RequestHeaders:
    headers = RequestHeaders()
    for name, value in scope["headers"]:
        if name == b"content-type":
            headers.content_type = value.decode("latin-1")
        elif name == b"content-length":
            # The server's parser refuses any other value.
            headers.content_length = int(value) if value.isdigit() and len(value) < 20 else None  # noqa: PLR2004 - 64 bits
        elif name == b"prefer":
            headers.prefer.append(value.decode("latin-1"))
        elif name == b"traceparent":
            headers.traceparent.append(value.decode("latin-1"))
        elif name == b"idempotency-key":
            headers.idempotency_key.append(value.decode("latin-1"))
        elif name == b"content-encoding":
            headers.content_encoding.append(value.decode("latin-1"))
        elif name == b"transfer-encoding":
            headers.transfer_encoding.append(value.decode("latin-1"))
    return headers
