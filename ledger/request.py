"""The request as the API stores it and a worker reads it, with what was decided at admission."""

from typing import Self
from uuid import UUID

from pydantic import AwareDatetime, ValidationError
from pydantic_core import to_json

from contracts.base import Outgoing
from contracts.enums import LLMProviderType
from contracts.http import LLMComparisonRequest
from telemetry.observer import Note, Observer

#: Most unreadable requests that one reader remembers as logged.
_MAX_LOGGED = 10_000


class StoredRequest(Outgoing):
    queue_id: UUID
    correlation_id: UUID
    request: LLMComparisonRequest
    provider: LLMProviderType
    model: str
    #: In pydantic's own format, without a serializer of ours: only umpire reads it.
    requested_at: AwareDatetime
    expires_at: AwareDatetime
    traceparent: str | None = None
    #: Id of the API key that submitted it; None if the API runs without keys.
    owner: str | None = None
    #: That key's name, for cost events; None if it has none.
    caller: str | None = None

    @property
    def caller_name(self) -> str | None:
        """To whom cost is attributed: the API key's name, else `cj_source` of the caller's metadata."""
        source = self.request.metadata.get("cj_source")
        return self.caller or (source if isinstance(source, str) and source else None)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Parse a stored body. Unlike the API, ignore unknown fields: a newer version's request must still run."""
        return cls.model_validate_json(body, extra="ignore")

    def to_bytes(self) -> bytes:
        """The body that `read` parses."""
        return to_json(self, exclude_none=True)

    def without_prompt(self) -> Self:
        """A copy without its texts, to keep in memory after the request was stored."""
        short = self.request.model_copy(update={"user_prompt": "", "prompt_blocks": None, "llm_config_overrides": None})
        return self.model_copy(update={"request": short})


class RequestReader:
    """Reads stored bodies. One that this version cannot read (written by a newer version before a rollback, or damaged)
    is logged once and skipped, so that it does not block others; it stays stored for a version that can read it.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._logged: set[bytes] = set()

    def read(self, queue_id: bytes, body: bytes) -> StoredRequest | None:
        """The request, or None if this version cannot read it."""
        try:
            return StoredRequest.read(body)
        except ValidationError as error:
            if queue_id not in self._logged and len(self._logged) < _MAX_LOGGED:
                self._logged.add(queue_id)
                # Log which fields are wrong, but not their values.
                where = sorted({".".join(map(str, each["loc"])) for each in error.errors(include_input=False)})
                fields = {"queue_id": queue_id.decode(), "where": ", ".join(where[:5])}
                self._observer(Note("record.unreadable", "error", {"kind": "record"}, fields=fields))
            return None
