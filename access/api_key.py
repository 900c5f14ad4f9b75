"""An API key: its text, and what it may do.

`umpire_<id>_<secret><checksum>`, in base 62: 12 characters of a public id, 32 of a secret (190 random bits), 6 of the
CRC-32 of all before them. Secret scanners can find it by its format, and a typing mistake is detected without Redis.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from contracts.enums import ProcessingMode
from contracts.topics import TopicPatterns

PREFIX = "umpire_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID, _SECRET, _CHECKSUM = 12, 32, 6
_SHAPE = re.compile(rf"({PREFIX}([0-9A-Za-z]{{{_ID}}})_[0-9A-Za-z]{{{_SECRET}}})([0-9A-Za-z]{{{_CHECKSUM}}})")


class Scope(StrEnum):
    """What a key may do."""

    SUBMIT = "comparisons:submit"
    CANCEL = "comparisons:cancel"
    MODELS = "models:read"
    PROVIDERS = "providers:read"
    PROVIDER_TEST = "providers:test"


#: Scopes of a key that names none. Without the provider test: its calls cost extra, and go before all comparisons.
DEFAULT_SCOPES = frozenset(Scope) - {Scope.PROVIDER_TEST}


@dataclass(frozen=True)
class ApiKey:
    """An API key without its secret. A limit of None: there is no such limit."""

    id: str
    #: SHA-256 of the whole text, hex. Only secrets that can be guessed need a slow hash; 190 random bits cannot.
    hash: str
    name: str
    scopes: frozenset[str]
    topics: tuple[str, ...]
    #: Requests a minute.
    rate: int | None
    #: Unfinished requests at one time.
    max_queued: int | None
    #: USD a day, UTC.
    daily_cost: float | None
    #: Times in ms.
    created: int
    revoked: int | None
    #: Mode of its requests that name none; None: the operator's default.
    processing_mode: ProcessingMode | None = None

    @cached_property
    def patterns(self) -> TopicPatterns:
        """Callback topics that it may name; if it has none of its own, all that the operator allows."""
        return TopicPatterns(self.topics or ("*",))


def new_text() -> str:
    def random(length: int) -> str:
        return "".join(secrets.choice(_ALPHABET) for _ in range(length))

    body = f"{PREFIX}{random(_ID)}_{random(_SECRET)}"
    return body + _checksum(body)


def id_of(text: str) -> str | None:
    """The public id; None if the text is not a key, or contains a typing mistake."""
    found = _SHAPE.fullmatch(text)
    return found[2] if found and found[3] == _checksum(found[1]) else None


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(body: str) -> str:
    left, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM):
        left, digit = divmod(left, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
