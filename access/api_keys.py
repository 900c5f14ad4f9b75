"""The API keys in Redis: the operator creates, lists and revokes them. A change applies from the next request on."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from redis.asyncio import Redis

from access.api_key import ApiKey, fields_of, hash_of, id_of, key_of, new_text, number, whole
from contracts.clock import to_ms, utcnow
from ledger import keys
from ledger.scripts import Script


class RevokeHead(NamedTuple):
    """Arguments of revoke.lua."""

    id: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key, and what it has in use: unfinished requests, and USD since midnight UTC."""

    key: ApiKey
    unfinished: int
    spent_today: float


class ApiKeys:
    """Raises RedisError if Redis is unavailable, or refuses a write."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._revoke = Script(redis, "revoke", package="access")

    async def create(
        self,
        name: str,
        scopes: frozenset[str],
        topics: tuple[str, ...] = (),
        **limits: Any,
    ) -> tuple[ApiKey, str]:
        """Create a key. Returns it and its text, which is not stored anywhere.

        `limits`: `rate`, `max_queued`, `daily_cost` and `processing_mode` of ApiKey, by default None.
        """
        text = new_text()
        key_id = id_of(text)
        assert key_id is not None  # noqa: S101 - of our own making
        created = to_ms(utcnow())
        key = ApiKey(id=key_id, hash=hash_of(text), name=name, scopes=scopes, topics=topics, created=created, **limits)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hset(keys.api_key(key_id), items=[part for field in fields_of(key).items() for part in field])
        pipeline.sadd(keys.API_KEYS, key_id)
        await pipeline.execute()
        return key, text

    async def uses(self) -> list[KeyUse]:
        """All keys, including revoked ones, in the order in which they were created."""
        members: Any = await self._redis.smembers(keys.API_KEYS)
        ids = [member.decode() for member in members]
        if not ids:
            return []
        pipeline = self._redis.pipeline(transaction=False)
        for key_id in ids:
            pipeline.hgetall(keys.api_key(key_id))
        pipeline.hmget(keys.OWNED, ids)
        pipeline.hmget(keys.spent(utcnow().date()), ids)
        *records, owned, spent = await pipeline.execute()
        uses = []
        for key_id, record, unfinished, cost in zip(ids, records, owned, spent, strict=True):
            if record:
                key = key_of(key_id, {_text_of(name): _text_of(value) for name, value in record.items()})
                uses.append(KeyUse(key, whole(_text_of(unfinished)) or 0, number(_text_of(cost)) or 0.0))
        return sorted(uses, key=lambda use: (use.key.created, use.key.id))

    async def revoke(self, key_ids: list[str]) -> list[str]:
        """Revoke these keys. Returns the ids of those that exist, whether revoked now or before."""
        known = [bool(await self._revoke(*RevokeHead(key_id, to_ms(utcnow())))) for key_id in key_ids]
        return [key_id for key_id, is_known in zip(key_ids, known, strict=True) if is_known]


def _text_of(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
