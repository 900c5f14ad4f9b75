"""The API keys in Redis: the operator creates, lists and revokes them. A change applies from the next request on."""

import math
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from access.api_key import ApiKey, hash_of, id_of, new_text
from contracts.clock import to_ms, utcnow
from contracts.enums import ProcessingMode
from ledger import keys
from ledger.scripts import Script

Fields = dict[str, str]

_MODES = frozenset(mode.value for mode in ProcessingMode)


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
        *,
        rate: int | None = None,
        max_queued: int | None = None,
        daily_cost: float | None = None,
        processing_mode: ProcessingMode | None = None,
    ) -> tuple[ApiKey, str]:
        """Create a key. Returns it and its text, which is not stored anywhere."""
        text = new_text()
        key_id = id_of(text)
        assert key_id is not None  # noqa: S101 - of our own making
        created = to_ms(utcnow())
        key = ApiKey(
            key_id, hash_of(text), name, scopes, topics, rate, max_queued, daily_cost, created, None, processing_mode
        )
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
        found = zip(ids, records, owned, spent, strict=True)
        uses = [
            KeyUse(key_of(key_id, _decoded(record)), _whole(_text_of(unfinished)) or 0, _number(_text_of(cost)) or 0.0)
            for key_id, record, unfinished, cost in found
            if record
        ]
        return sorted(uses, key=lambda use: (use.key.created, use.key.id))

    async def revoke(self, key_ids: list[str]) -> list[str]:
        """Revoke these keys. Returns the ids of those that exist, whether revoked now or before."""
        known = [bool(await self._revoke(key_id, to_ms(utcnow()))) for key_id in key_ids]
        return [key_id for key_id, is_known in zip(key_ids, known, strict=True) if is_known]


def fields_of(key: ApiKey) -> Fields:
    """The key as the fields of its hash, `ledger.keys.API_KEY_FIELDS`."""
    return {
        "hash": key.hash,
        "name": key.name,
        "scopes": ",".join(sorted(key.scopes)),
        "topics": ",".join(key.topics),
        "rate": _text(key.rate),
        "queued": _text(key.max_queued),
        "cost": _text(key.daily_cost),
        "created": str(key.created),
        "revoked": _text(key.revoked),
        "mode": key.processing_mode or "",
    }


def key_of(key_id: str, fields: Fields) -> ApiKey:
    def field(name: str) -> str:
        return fields.get(name) or ""

    return ApiKey(
        id=key_id,
        hash=field("hash"),
        name=field("name"),
        scopes=frozenset(filter(None, field("scopes").split(","))),
        topics=tuple(filter(None, field("topics").split(","))),
        rate=_whole(field("rate")),
        max_queued=_whole(field("queued")),
        daily_cost=_number(field("cost")),
        created=_whole(field("created")) or 0,
        # Any text there means that the key is revoked.
        revoked=(_whole(field("revoked")) or 0) if field("revoked") else None,
        processing_mode=_mode(field("mode")),
    )


def _number(text: str) -> float | None:
    """A limit that only a newer version can read counts as none, as in the scripts: its caller is not locked out."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _whole(text: str) -> int | None:
    number = _number(text)
    return None if number is None else int(number)


def _mode(text: str) -> ProcessingMode | None:
    """A mode that only a newer version knows counts as the operator's default: its caller must not be locked out."""
    return ProcessingMode(text) if text in _MODES else None


def _decoded(record: dict[bytes, bytes]) -> Fields:
    return {_text_of(name): _text_of(value) for name, value in record.items()}


def _text_of(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def _text(value: float | None) -> str:
    return "" if value is None else str(value)
