"""The front door."""

from typing import Literal

from pydantic import Field

from contracts.enums import LLMProviderType, ProcessingMode
from contracts.settings.base import CommaList, Concern


class ServiceSettings(Concern):
    host: str = "127.0.0.1"
    """Address that the API binds."""
    port: int = Field(8080, ge=0, le=65535)
    """Port of the API."""
    api_processes: int = Field(1, ge=1, le=64)
    """API processes that share the port."""
    auth: Literal["off"] = "off"
    """Who may call: `off`, anyone who reaches the port. Keep it on a trusted network."""
    default_provider: LLMProviderType | None = None
    """Provider of requests that name none; the first enabled one when not set."""
    default_processing_mode: ProcessingMode = ProcessingMode.QUEUE_IF_UNAVAILABLE
    """Processing mode of requests that name none."""
    immediate_wait_seconds: float = Field(25.0, ge=0)
    """Longest time that a request waits for its verdict before the answer is 202, in seconds."""
    door_redis_seconds: float = Field(1.0, gt=0)
    """Time that the door gives Redis for one request, in seconds."""
    callback_topics: CommaList = ["*"]
    """Patterns (`*`, `?`) of the callback topics that are allowed. Topics that begin with `__` never are."""
    max_body_bytes: int = Field(4_000_000, ge=1_000)
    """Largest request body, in bytes."""
    max_prompt_chars: int = Field(1_000_000, ge=1)
    """Longest prompt, in characters, whatever the model's context window."""
    max_metadata_bytes: int = Field(64_000, ge=0)
    """Largest `metadata`, in bytes of JSON. It travels in every result event."""
