"""A client of the HTTP API; it uses only what any other client could."""

import http.client
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from cli.failure import Failure
from contracts.encoding import dumps, loads

#: Timeout in seconds: above the longest time that the API lets a request wait for its verdict.
_SECONDS = 90.0


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]


class ApiClient:
    """Keeps one connection open; for use in one thread."""

    def __init__(self, url: str, api_key: SecretStr | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Failure(f"{url!r} is no URL of an API (http://host:port)", code=2)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=_SECONDS)
        self._path = parts.path.rstrip("/")
        self._headers = {"content-type": "application/json"}
        if api_key is not None:
            self._headers["authorization"] = f"Bearer {api_key.get_secret_value()}"
        self.url = url

    def compare(self, request: dict[str, Any], *, prefer: str | None = None) -> Answer:
        """POST one comparison. Raises Failure when there is no readable answer."""
        headers = self._headers | ({"prefer": prefer} if prefer else {})
        try:
            self._connection.request("POST", f"{self._path}/api/v1/comparison", dumps(request), headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            why = getattr(error, "strerror", None) or type(error).__name__
            raise Failure(
                f"no answer from the API at {self.url} ({why}); is it running? `umpire up` starts it"
            ) from error
        try:
            body = loads(content)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Failure(f"{self.url} answered {response.status} with something that is not from umpire")
        return Answer(response.status, body)

    def close(self) -> None:
        self._connection.close()
