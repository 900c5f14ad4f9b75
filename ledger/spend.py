"""Which API keys have reached an alert threshold of their daily cost limit."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from redis.asyncio import Redis

from contracts.clock import utcnow
from ledger import keys

#: Shares of the limit at which an alert is sent.
SHARES = (Decimal("0.8"), Decimal(1))

#: Seconds for which sent alerts are remembered: as long as the day's spending.
_KEPT_SECONDS = 3 * 86_400


class ThresholdCrossed(NamedTuple):
    day: date
    key_id: str
    name: str
    spent: Decimal
    limit: Decimal
    share: Decimal


class SpendThresholds:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        #: What each key had spent at the last check: keys whose sum has not changed are skipped.
        self._seen: dict[date, dict[bytes, bytes]] = {}

    async def reached(self) -> list[ThresholdCrossed]:
        """Thresholds newly crossed, now marked as alerted. Includes yesterday: a call may end after midnight."""
        today = utcnow().date()
        days = (today - timedelta(days=1), today)
        self._seen = {day: self._seen.get(day, {}) for day in days}
        return [one for day in days for one in await self._reached_on(day)]

    async def forget(self, untold: Sequence[ThresholdCrossed]) -> None:
        """Unmark thresholds whose alert was not sent after all; `reached` returns them again."""
        for one in untold:
            await self._redis.srem(keys.alerted(one.day), _mark(one))
            self._seen.get(one.day, {}).pop(one.key_id.encode(), None)

    async def _reached_on(self, day: date) -> list[ThresholdCrossed]:
        spending: Any = await self._redis.hgetall(keys.spent(day))
        news = [(key, value) for key, value in spending.items() if self._seen[day].get(key) != value]
        pipeline = self._redis.pipeline(transaction=False)
        for key, _ in news:
            pipeline.hmget(keys.api_key(key.decode()), "name", "cost")
        limits = await pipeline.execute() if news else []
        found = [
            ThresholdCrossed(day, key.decode(), (name or b"").decode(), spent, most, share)
            for (key, value), (name, limit) in zip(news, limits, strict=True)
            # Skip a number that is damaged or of a newer version, so that other keys still get their alerts.
            if (spent := _amount(value)) is not None and (most := _amount(limit)) is not None
            for share in SHARES
        ]
        found = [one for one in found if one.spent >= one.limit * one.share]
        pipeline = self._redis.pipeline()
        for one in found:
            pipeline.sadd(keys.alerted(day), _mark(one))
            pipeline.expire(keys.alerted(day), _KEPT_SECONDS)
        marked = (await pipeline.execute())[::2] if found else []
        self._seen[day].update(news)
        return [one for one, is_new in zip(found, marked, strict=True) if is_new]


def _amount(text: bytes | None) -> Decimal | None:
    try:
        amount = Decimal((text or b"").decode())
    except (InvalidOperation, UnicodeDecodeError):
        return None
    return amount if amount.is_finite() else None


def _mark(one: ThresholdCrossed) -> str:
    return f"{one.key_id} {one.share}"
