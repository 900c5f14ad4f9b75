"""API keys for tests of the door."""

from dataclasses import dataclass
from typing import Any

from access.api_key import DEFAULT_SCOPES, PREFIX, Scope, _checksum
from access.api_keys import ApiKeys
from ledger.redis.connection import connect


@dataclass(frozen=True)
class Key:
    id: str
    text: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.text}"}


async def make_key(url: str, *, scopes: frozenset[Scope] = DEFAULT_SCOPES, topics: Any = (), **limits: Any) -> Key:
    redis = connect(url, timeout=5)
    key, text = await ApiKeys(redis).create("test", scopes, tuple(topics), **limits)
    await redis.aclose()
    return Key(key.id, text)


async def revoke_key(url: str, key: Key) -> None:
    redis = connect(url, timeout=5)
    assert await ApiKeys(redis).revoke([key.id]) == [key.id]
    await redis.aclose()


def with_secret(key_id: str, secret: str) -> str:
    """Well-formed, with a right checksum."""
    body = f"{PREFIX}{key_id}_{secret}"
    return body + _checksum(body)
