"""What the door stores and a worker reads: the request, and what was decided at admission."""

from typing import Self
from uuid import UUID

from pydantic import AwareDatetime

from contracts.base import Outgoing
from contracts.enums import LLMProviderType
from contracts.http import LLMComparisonRequest


class StoredRequest(Outgoing):
    queue_id: UUID
    correlation_id: UUID
    request: LLMComparisonRequest
    provider: LLMProviderType
    model: str
    #: Written by pydantic itself, without a call of ours: only umpire reads it.
    requested_at: AwareDatetime
    expires_at: AwareDatetime
    traceparent: str | None = None
    #: Id of the API key that submitted it; None where calls need no key.
    owner: str | None = None
    #: That key's name, for events of cost; None where it has none.
    caller: str | None = None

    @property
    def caller_name(self) -> str | None:
        """Who pays: the API key's name, else the `cj_source` that the caller's metadata state."""
        source = self.request.metadata.get("cj_source")
        return self.caller or (source if isinstance(source, str) and source else None)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """From the ledger. The door forbids fields that it does not know; what a newer one let in must still run."""
        return cls.model_validate_json(body, extra="ignore")

    def without_prompt(self) -> Self:
        """For whoever holds it after it was stored."""
        short = self.request.model_copy(update={"user_prompt": "", "prompt_blocks": None, "llm_config_overrides": None})
        return self.model_copy(update={"request": short})
