"""An API key: its text, and what it may do.

`umpire_<id>_<secret><checksum>`, in base 62: 12 characters of a public id, 32 of a secret (190 random bits), 6 of the
CRC-32 of all before them. Secret scanners can find it by its format, and a typing mistake is detected without Redis.
"""

import hashlib
import math
import re
import secrets
import string
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
from typing import Any, NamedTuple

from contracts.enums import ProcessingMode, known
from contracts.topics import TopicPatterns

PREFIX = "umpire_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID, _SECRET, _CHECKSUM = 12, 32, 6
_SHAPE = re.compile(rf"({PREFIX}([0-9A-Za-z]{{{_ID}}})_[0-9A-Za-z]{{{_SECRET}}})([0-9A-Za-z]{{{_CHECKSUM}}})")


class Scope(StrEnum):
    """What a key may do."""

    SUBMIT = "comparisons:submit"
    CANCEL = "comparisons:cancel"
    REDELIVER = "comparisons:redeliver"
    MODELS = "models:read"
    PROVIDERS = "providers:read"
    PROVIDER_TEST = "providers:test"


#: Scopes of a key that names none. Without the provider test: its calls cost extra, and go before all comparisons.
DEFAULT_SCOPES = frozenset(Scope) - {Scope.PROVIDER_TEST}


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """An API key without its secret. A limit of None: there is no such limit. `FIELDS` says how it is stored."""

    id: str
    #: SHA-256 of the whole text, hex. Only secrets that can be guessed need a slow hash; 190 random bits cannot.
    hash: str
    name: str
    scopes: frozenset[str]
    topics: tuple[str, ...]
    #: Requests a minute.
    rate: int | None = None
    #: Unfinished requests at one time.
    max_queued: int | None = None
    #: USD a day, UTC.
    daily_cost: float | None = None
    #: Times in ms since the epoch.
    created: int
    revoked: int | None = None
    #: Mode of its requests that do not name one; None: the operator's default.
    processing_mode: ProcessingMode | None = None

    @cached_property
    def patterns(self) -> TopicPatterns:
        """Callback topics that it may name; without patterns, all that the operator allows."""
        return TopicPatterns(self.topics or ("*",))


def number(text: str) -> float | None:
    """A limit that only a newer version can read counts as none, as in the scripts: its caller is not locked out."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def whole(text: str) -> int | None:
    found = number(text)
    return None if found is None else int(found)


def _list(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


class _Field(NamedTuple):
    """One field of a key's hash in Redis: the attribute of ApiKey that it stores, and how."""

    attribute: str
    #: Must accept any text, since a newer version may have written it. An empty text is a limit that is not set.
    read: Callable[[str], Any]
    write: Callable[[Any], str] = lambda value: "" if value is None else str(value)


#: All fields of a key's hash. The hash of the key comes first: authenticator.py compares it before it reads the others.
FIELDS = {
    "hash": _Field("hash", str),
    "name": _Field("name", str),
    "scopes": _Field("scopes", lambda text: frozenset(_list(text)), lambda scopes: ",".join(sorted(scopes))),
    "topics": _Field("topics", _list, ",".join),
    "rate": _Field("rate", whole),
    "queued": _Field("max_queued", whole),
    "cost": _Field("daily_cost", number),
    "created": _Field("created", lambda text: whole(text) or 0),
    # Any text means that the key is revoked.
    "revoked": _Field("revoked", lambda text: (whole(text) or 0) if text else None),
    # A mode that only a newer version knows counts as the operator's default: its caller is not locked out.
    "mode": _Field("processing_mode", partial(known, ProcessingMode)),
}


def fields_of(key: ApiKey) -> dict[str, str]:
    """The key as the fields of its hash."""
    return {name: field.write(getattr(key, field.attribute)) for name, field in FIELDS.items()}


def key_of(key_id: str, fields: Mapping[str, str]) -> ApiKey:
    """The key that these fields of a hash describe. A missing field is an empty one."""
    values = {field.attribute: field.read(fields.get(name) or "") for name, field in FIELDS.items()}
    return ApiKey(id=key_id, **values)


def new_text() -> str:
    def random(length: int) -> str:
        return "".join(secrets.choice(_ALPHABET) for _ in range(length))

    body = f"{PREFIX}{random(_ID)}_{random(_SECRET)}"
    return body + _checksum(body)


def id_of(text: str) -> str | None:
    """The public id; None if the text is not a key, or contains a typing mistake."""
    match = _SHAPE.fullmatch(text)
    return match[2] if match and match[3] == _checksum(match[1]) else None


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(body: str) -> str:
    left, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM):
        left, digit = divmod(left, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
