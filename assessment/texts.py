"""Texts of essays by their storage id: from the built-in content store, or from another service with the same calls."""

from typing import Protocol
from urllib.parse import quote

import httpx2
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from assessment.errors import ContentUnavailable
from assessment.store.contents import ContentStore

#: Largest text, in bytes: more than any model's context window has room for.
MAX_TEXT_BYTES = 2_000_000
#: Calls for one text before it counts as failed for now, and the bounds of the waits between them, in seconds.
ATTEMPTS = 3
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 5.0
#: Time for one call, in seconds; of these, to connect.
CALL_SECONDS = 15.0
CONNECT_SECONDS = 3.0
#: Connections to a content service.
_CONNECTIONS = 16

_OK, _NOT_FOUND, _TIMEOUT, _TOO_EARLY, _TOO_MANY, _SERVER_ERROR = 200, 404, 408, 425, 429, 500


class TextSource(Protocol):
    async def fetch(self, storage_id: str, owner: str | None) -> str:
        """
        Raises
        ------
        ContentUnavailable
            It fails this text alone. `permanent`: fetching it again does not help.
        """
        ...


class StoredTexts:
    """The built-in content store."""

    def __init__(self, contents: ContentStore) -> None:
        self._contents = contents

    async def fetch(self, storage_id: str, owner: str | None) -> str:
        """Raises ContentUnavailable, or StoreUnavailable: then no text can be read now."""
        found = await self._contents.get(owner, storage_id)
        if found is None:
            raise ContentUnavailable("the content store has no text with this id", permanent=True)
        return decode_text(found.body, found.content_type)


class RemoteTexts:
    """A content service: `GET <url>/v1/content/<id>`."""

    def __init__(
        self, url: str, *, client: httpx2.AsyncClient | None = None, first_wait: float = FIRST_WAIT_SECONDS
    ) -> None:
        self._url = url.rstrip("/")
        self._first_wait = first_wait
        self._client = client or httpx2.AsyncClient(
            timeout=httpx2.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=_CONNECTIONS),
            trust_env=False,  # no proxy from the environment
        )

    async def fetch(self, storage_id: str, owner: str | None) -> str:  # noqa: ARG002 - it knows no API keys
        """Raises ContentUnavailable."""
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential_jitter(self._first_wait, LONGEST_WAIT_SECONDS, jitter=self._first_wait),
            retry=retry_if_exception(_may_heal),
            reraise=True,
        ):
            with attempt:
                return await self._fetch(storage_id)
        raise AssertionError("tenacity raises the last error")

    async def close(self) -> None:
        await self._client.aclose()

    async def _fetch(self, storage_id: str) -> str:
        url = f"{self._url}/v1/content/{quote(storage_id, safe='')}"
        try:
            async with self._client.stream("GET", url) as response:
                _check(response)
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    _check_size(len(body))
                return decode_text(bytes(body), response.headers.get("content-type", ""))
        except httpx2.TimeoutException:
            raise ContentUnavailable("the content service did not answer in time", permanent=False) from None
        except httpx2.HTTPError as error:
            reason = f"the content service could not be reached ({type(error).__name__})"
            raise ContentUnavailable(reason, permanent=False) from None


def _may_heal(error: BaseException) -> bool:
    return isinstance(error, ContentUnavailable) and not error.permanent


def _check(response: httpx2.Response) -> None:
    status = response.status_code
    if status == _OK:
        length = response.headers.get("content-length", "")
        if length.isdecimal():
            _check_size(int(length))
        return
    if status == _NOT_FOUND:
        raise ContentUnavailable("the content service has no text with this id", permanent=True)
    passing = status >= _SERVER_ERROR or status in {_TIMEOUT, _TOO_EARLY, _TOO_MANY}
    raise ContentUnavailable(f"the content service answered {status}", permanent=not passing)


def _check_size(size: int) -> None:
    if size > MAX_TEXT_BYTES:
        raise ContentUnavailable(f"the text is longer than {MAX_TEXT_BYTES:,} bytes", permanent=True)


def decode_text(body: bytes, content_type: str = "") -> str:
    """The text of these bytes, in the charset of their content type, by default UTF-8; without a byte order mark.

    Raises
    ------
    ContentUnavailable
        It is too long, no text, or empty.
    """
    _check_size(len(body))
    charset = _charset(content_type)
    try:
        text = body.decode(charset)
    except (UnicodeDecodeError, LookupError):
        raise ContentUnavailable(
            "the text is not in the charset of its content type (UTF-8 if it names none)"
        ) from None
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise ContentUnavailable("the text holds NUL characters: it is no text")
    if not text.strip():
        raise ContentUnavailable("the text is empty")
    return text


def _charset(content_type: str) -> str:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'") or "utf-8"
    return "utf-8"
