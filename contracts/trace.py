"""W3C trace context: the one header that ties a caller's trace to ours."""

import re
from os import urandom

#: Version 00 exactly; a later version may append fields, which we drop.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def parse_traceparent(header: str) -> str | None:
    """The caller's context as version 00, or None when it is malformed and must be ignored."""
    match = _TRACEPARENT.fullmatch(header.strip())
    if match is None:
        return None
    version, trace, parent, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or not int(trace, 16) or not int(parent, 16):
        return None
    return f"00-{trace}-{parent}-{int(flags, 16) & 1:02x}"


def new_traceparent() -> str:
    """A trace of our own, for a caller that sent none."""
    noise = urandom(24).hex()
    return f"00-{noise[:32]}-{noise[32:]}-01"


def trace_id(traceparent: str) -> str:
    return traceparent[3:35]
