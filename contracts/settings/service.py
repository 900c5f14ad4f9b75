"""The front door."""

from typing import Literal

from pydantic import Field

from contracts.enums import LLMProviderType, ProcessingMode
from contracts.settings.base import CommaList, Concern
from contracts.settings.text import HeaderSecret


class ServiceSettings(Concern):
    host: str = "127.0.0.1"
    """Address that the API binds."""
    port: int = Field(8080, ge=0, le=65535)
    """Port of the API."""
    api_processes: int = Field(1, ge=1, le=64)
    """API processes that share the port."""
    auth: Literal["off", "keys"] = "off"
    """Who may call: `keys`, whoever presents an API key (`umpire keys create`); `off`, anybody on this machine: the API
    then binds to loopback only."""
    keys_cache_seconds: float = Field(300.0, ge=0)
    """How long a key that Redis confirmed is still taken while Redis does not answer, in seconds; also how long a key
    that is revoked then may still be taken."""
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
    max_inflight_body_mb: float = Field(32.0, gt=0)
    """Bodies that one API process holds at once, in MB, until each is accepted; above it they wait for 5 s, then are
    refused. What is within 64 kB does not count. In memory they take two to five times as much."""
    body_seconds: float = Field(30.0, gt=0)
    """Time that a request's body may take to arrive, in seconds."""
    max_prompt_chars: int = Field(1_000_000, ge=1)
    """Longest prompt, in characters, whatever the model's context window."""
    max_metadata_bytes: int = Field(64_000, ge=0)
    """Largest `metadata`, in bytes of JSON. It travels in every result event."""


class ClientSettings(Concern):
    api_key: HeaderSecret | None = None
    """API key that `umpire compare` presents."""
