"""The API, and the client of `umpire compare`."""

from typing import Literal

from pydantic import Field

from contracts.enums import LLMProviderType, ProcessingMode
from contracts.settings.base import CommaList, Concern, HeaderSecret, internal


class ServiceSettings(Concern):
    host: str = "127.0.0.1"
    """Address that the API binds."""
    port: int = Field(8080, ge=0, le=65535)
    """Port of the API. 0: any free port."""
    api_processes: int = Field(1, ge=1, le=64)
    """Number of API processes that share the port."""
    auth: Literal["off", "keys"] = "off"
    """Who may call the API. `keys`: callers with an API key (`umpire keys create`). `off`: any process on this
    machine; the API then binds loopback addresses only."""
    keys_cache_seconds: float = Field(300.0, ge=0)
    """How long an API key that Redis confirmed stays valid while Redis is unavailable, in seconds. It also bounds
    how long a key that was revoked meanwhile still works."""
    default_provider: LLMProviderType | None = None
    """Provider of requests that name none. Not set: the first enabled provider."""
    default_processing_mode: ProcessingMode = ProcessingMode.QUEUE_IF_UNAVAILABLE
    """Processing mode of requests that name none."""
    batching_mode: Literal["per_request"] = "per_request"
    """Batching mode of requests that name none. Only `per_request` is served: each comparison is one provider call. A
    request that names another mode is judged per request, and its result names `batching_mode` in `ignored`."""
    immediate_wait_seconds: float = Field(25.0, ge=0)
    """Longest time that a request waits for its verdict, in seconds. After it the response is 202, and the verdict
    arrives on Kafka only."""
    door_redis_seconds: float = internal(1.0, "DOOR_REDIS_SECONDS", gt=0)
    """How long the API waits for Redis in one request, in seconds, over all of its round trips."""
    callback_topics: CommaList = ["*"]
    """Patterns (`*`, `?`) of the allowed callback topics. Topics that begin with `__` are never allowed."""
    max_body_bytes: int = Field(4_000_000, ge=1_000)
    """Largest request body, in bytes."""
    max_batch_body_bytes: int = Field(16_000_000, ge=1_000)
    """Largest body of a batch, in bytes. Each of its comparisons may have UMPIRE_MAX_BODY_BYTES."""
    body_seconds: float = internal(30.0, "BODY_SECONDS", gt=0)
    """How long the client may take to send a request's body, in seconds."""
    max_prompt_chars: int = Field(1_000_000, ge=1)
    """Longest prompt, in characters. A model's context window bounds it as well."""
    max_metadata_bytes: int = Field(64_000, ge=0)
    """Largest `metadata` of a request, in bytes of JSON. Each result event repeats the metadata."""


class ClientSettings(Concern):
    api_key: HeaderSecret | None = None
    """API key that `umpire compare` sends."""
