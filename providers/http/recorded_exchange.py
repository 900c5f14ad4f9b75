"""A request to a provider and its response as readable JSON without API keys, for the recorder. Pure."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from providers.base import ATTEMPT_HEADER

REMOVED = "[removed]"

_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "set-cookie"}
)
_SECRET_PARAMETERS = frozenset({"key", "api_key", "apikey", "token", "access_token"})

#: Anything shorter is not an API key, and removing it would damage ordinary words.
_SHORTEST_KEY = 4

_NOT_IN_A_NAME = re.compile(r"[^\w.-]")
_LONGEST_ATTEMPT = 80

Headers = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Exchange:
    provider: str
    began: datetime
    method: str
    url: str = field(repr=False)
    request_headers: Headers = field(repr=False)
    request_body: bytes = field(repr=False)
    #: None: no response came.
    status: int | None = None
    response_headers: Headers = field(default=(), repr=False)
    #: None: the body was not received completely.
    response_body: bytes | None = field(default=None, repr=False)
    #: The exception that ended the exchange, if any.
    error: BaseException | None = field(default=None, repr=False)
    seconds: float = 0.0

    @property
    def attempt(self) -> str:
        """The attempt id of the request, made safe for a file name."""
        found = dict(_lower(self.request_headers)).get(ATTEMPT_HEADER.lower(), "no-attempt")
        return _NOT_IN_A_NAME.sub("_", found)[:_LONGEST_ATTEMPT]


def readable(exchange: Exchange, keys: Iterable[str]) -> str:
    """The exchange as indented JSON; `keys` are removed wherever they occur."""
    clean = _Cleaner(keys)
    response = exchange.status is not None and {
        "status": exchange.status,
        "headers": clean.headers(exchange.response_headers),
        "body": None if exchange.response_body is None else clean.body(exchange.response_body),
    }
    shown = {
        "provider": exchange.provider,
        "began": exchange.began.isoformat(),
        "seconds": round(exchange.seconds, 3),
        "error": exchange.error and clean.text(f"{type(exchange.error).__name__}: {exchange.error}"),
        "request": {
            "method": exchange.method,
            "url": clean.url(exchange.url),
            "headers": clean.headers(exchange.request_headers),
            "body": clean.body(exchange.request_body),
        },
        "response": response or None,
    }
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


class _Cleaner:
    def __init__(self, keys: Iterable[str]) -> None:
        spellings = {spelling for key in keys for spelling in (key, quote(key, safe=""), json.dumps(key)[1:-1])}
        longest_first = sorted((s for s in spellings if len(s) >= _SHORTEST_KEY), key=len, reverse=True)
        self._keys = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        return self._keys.sub(REMOVED, text) if self._keys else text

    def url(self, url: str) -> str:
        parts = urlsplit(url)
        query = [
            (name, REMOVED if name.lower() in _SECRET_PARAMETERS else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        return self.text(
            parts._replace(netloc=parts.netloc.rpartition("@")[2], query=urlencode(query, safe="[]")).geturl()
        )

    def headers(self, headers: Headers) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in _lower(headers):
            shown = REMOVED if name in _SECRET_HEADERS else self.text(value)
            found[name] = f"{found[name]}, {shown}" if name in found else shown
        return found

    def body(self, body: bytes) -> Any:
        """The parsed JSON of a body, or its text if it is not JSON."""
        text = body.decode(errors="replace")
        try:
            return self._values(json.loads(text))
        except (ValueError, RecursionError):
            return self.text(text)

    def _values(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self._values(each) for each in value]
            case dict():
                return {self.text(name): self._values(each) for name, each in value.items()}
        return value


def _lower(headers: Headers) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers]
