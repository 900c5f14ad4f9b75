"""The one JSON encoder and decoder: pydantic's own (Rust), compact, UTF-8 bytes."""

from typing import Any

from pydantic_core import from_json, to_json


def dumps(value: Any) -> bytes:
    return to_json(value)


def loads(data: bytes | str) -> Any:
    """Raises ValueError on anything that is not one JSON value."""
    return from_json(data)
