"""The request headers that admission reads, found in one pass over the raw list."""

from dataclasses import dataclass, field

from starlette.types import Scope


@dataclass(slots=True)
class Heads:
    content_type: str = ""
    content_encoding: list[str] = field(default_factory=list)
    transfer_encoding: list[str] = field(default_factory=list)
    content_length: int | None = None
    prefer: list[str] = field(default_factory=list)
    traceparent: list[str] = field(default_factory=list)
    idempotency_key: list[str] = field(default_factory=list)


def read_heads(scope: Scope) -> Heads:
    heads = Heads()
    for name, value in scope["headers"]:
        if name == b"content-type":
            heads.content_type = value.decode("latin-1")
        elif name == b"content-length":
            # The server's parser refuses any other value.
            heads.content_length = int(value) if value.isdigit() and len(value) < 20 else None  # noqa: PLR2004 - 64 bits
        elif name == b"prefer":
            heads.prefer.append(value.decode("latin-1"))
        elif name == b"traceparent":
            heads.traceparent.append(value.decode("latin-1"))
        elif name == b"idempotency-key":
            heads.idempotency_key.append(value.decode("latin-1"))
        elif name == b"content-encoding":
            heads.content_encoding.append(value.decode("latin-1"))
        elif name == b"transfer-encoding":
            heads.transfer_encoding.append(value.decode("latin-1"))
    return heads
