"""The `Prefer` request header (RFC 7240): `respond-async` and `wait=N`. Others, and malformed ones, are ignored."""

import re
from dataclasses import dataclass
from functools import lru_cache

#: One preference of a list. A comma within quotes does not end it.
_PART = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*")+')
_WAIT = re.compile(r'wait\s*=\s*(?:([0-9]{1,9})|"([0-9]{1,9})")\s*(?:;.*)?', re.IGNORECASE | re.DOTALL)
_ASYNC = re.compile(r'respond-async\s*(?:=\s*""\s*)?(?:;.*)?', re.IGNORECASE | re.DOTALL)
_WAIT_NAME = re.compile(r"wait\s*(?:[=;]|\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Prefer:
    respond_async: bool = False
    #: Seconds.
    wait: int | None = None


NO_PREFERENCE = Prefer()

#: Characters. Longer headers are ignored: parsing a very long one can take seconds, and real ones have a dozen.
_MAX_LENGTH = 500


@lru_cache(maxsize=64)  # a client sends the same values each time
def parse_prefer(values: tuple[str, ...]) -> Prefer:
    """`values`: all `Prefer` headers of a request. If a preference is named twice, the first one counts."""
    respond_async, wait, seen = False, None, False
    if sum(map(len, values)) > _MAX_LENGTH:
        return NO_PREFERENCE
    for value in values:
        for part in _PART.findall(value):
            preference = part.strip()
            if _ASYNC.fullmatch(preference):
                respond_async = True
            elif not seen and _WAIT_NAME.match(preference):
                seen = True
                match = _WAIT.fullmatch(preference)
                wait = int(match[1] or match[2]) if match else None
    return Prefer(respond_async, wait)
