"""The `Prefer` request header (RFC 7240): `respond-async` and `wait=N`. What is malformed or unknown is ignored."""

import re
from dataclasses import dataclass
from functools import lru_cache

#: One preference of a list: commas within quotes do not end it.
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

#: All of it together is a dozen characters long. Longer ones say nothing: to take them apart can take seconds.
_LONGEST = 500


#: A client says the same each time.
@lru_cache(maxsize=64)
def parse_prefer(values: tuple[str, ...]) -> Prefer:
    """All `Prefer` headers of a request together. Of a preference named twice the first one counts."""
    respond_async, wait, seen = False, None, False
    if sum(map(len, values)) > _LONGEST:
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
