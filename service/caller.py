"""What authentication leaves in the ASGI scope: the caller's API key, and how long the request may wait for Redis."""

from dataclasses import dataclass

from starlette.types import Scope

from access.api_key import ApiKey
from contracts.enums import ProcessingMode
from contracts.settings import ServiceSettings

_CALLER = "umpire.caller"


@dataclass(frozen=True, slots=True)
class Caller:
    key: ApiKey
    #: Seconds left of UMPIRE_DOOR_REDIS_SECONDS.
    redis_seconds: float


def introduce(scope: Scope, caller: Caller) -> None:
    scope[_CALLER] = caller


def key_of(scope: Scope) -> ApiKey | None:
    """None if calls need no key."""
    caller: Caller | None = scope.get(_CALLER)
    return caller.key if caller else None


def owner_of(scope: Scope) -> str | None:
    key = key_of(scope)
    return key.id if key else None


def default_mode(scope: Scope, settings: ServiceSettings) -> ProcessingMode:
    """The mode of a request that names none: its API key's, else the operator's."""
    caller: Caller | None = scope.get(_CALLER)
    return (caller.key.processing_mode if caller else None) or settings.default_processing_mode


def redis_seconds(scope: Scope, settings: ServiceSettings) -> float:
    """Seconds that all Redis operations of one request together may take."""
    caller: Caller | None = scope.get(_CALLER)
    return caller.redis_seconds if caller else settings.door_redis_seconds
