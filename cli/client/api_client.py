"""A client of the HTTP API; it uses only what any other client could."""

from typing import Any, NamedTuple

import httpx2
from pydantic import SecretStr

from cli.failure import USAGE, Failure
from contracts.encoding import dumps, loads

#: Timeout in seconds: above the longest time that the API lets a request wait for its verdict.
_SECONDS = 90.0


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]


class ApiClient:
    """Keeps one connection open."""

    def __init__(self, url: str, api_key: SecretStr | None = None) -> None:
        try:
            parsed = httpx2.URL(url)
        except httpx2.InvalidURL:
            parsed = httpx2.URL()
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise Failure(f"{url!r} is no URL of an API (http://host:port)", code=USAGE)
        headers = {"content-type": "application/json"}
        if api_key is not None:
            headers["authorization"] = f"Bearer {api_key.get_secret_value()}"
        # No proxy of the environment: it would see the key and the essays.
        self._http = httpx2.Client(headers=headers, timeout=_SECONDS, trust_env=False)
        self.url = url

    def compare(self, request: dict[str, Any], *, prefer: str | None = None) -> Answer:
        """POST one comparison. Raises Failure when there is no readable answer."""
        url = f"{self.url.rstrip('/')}/api/v1/comparison"
        try:
            response = self._http.post(url, content=dumps(request), headers={"prefer": prefer} if prefer else {})
            body = loads(response.content)
        except httpx2.HTTPError as error:
            why = f"no answer from the API at {self.url} ({str(error) or type(error).__name__})"
            raise Failure(f"{why}; is it running? `umpire up` starts it") from error
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Failure(f"{self.url} answered {response.status_code} with something that is not from umpire")
        return Answer(response.status_code, body)

    def close(self) -> None:
        self._http.close()
