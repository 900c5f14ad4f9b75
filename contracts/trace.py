"""W3C Trace Context: the `traceparent` header (https://www.w3.org/TR/trace-context/#traceparent-header)."""

import re
import secrets
from functools import lru_cache

#: Version 00 ends after the flags; a later one may go on.
_PARENT = r"(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})"
_VERSION_00 = re.compile(rf"00-{_PARENT}\Z")
_LATER = re.compile(rf"(?!00|ff)[0-9a-f]{{2}}-{_PARENT}(?:-.*)?\Z")


#: Bytes of a trace id and a span id.
RANDOM_BYTES = 16 + 8


def continue_trace(traceparent: str | None, random: bytes | None = None) -> str:
    """A traceparent for our own work: in the caller's trace if its header is well-formed, else in a new one.

    A new trace is flagged `00`, not sampled: the service records no spans, and `01` would claim that somebody does.
    `random`: RANDOM_BYTES random bytes, if the caller has some already.
    """
    new = (random or secrets.token_bytes(RANDOM_BYTES)).hex()
    match = _match(traceparent)
    if match is None:
        return f"00-{new[:32]}-{new[32:]}-00"
    return f"00-{match[1]}-{new[32:]}-{match[2]}"


@lru_cache(maxsize=1024)  # a comparison has six events, each with its headers
def trace_id(traceparent: str | None) -> str | None:
    """The 32 hex digits of the trace id; None if `traceparent` is absent or malformed."""
    match = _match(traceparent)
    return match[1] if match else None


def own_trace_id(traceparent: str) -> str:
    """The trace id of a traceparent that `continue_trace` made, without checking it."""
    return traceparent[3:35]


def _match(traceparent: str | None) -> re.Match[str] | None:
    if not traceparent:
        return None
    return _VERSION_00.match(traceparent) or _LATER.match(traceparent)
