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
    """An API key has spent `share` of its daily limit. Amounts in USD."""

    day: date
    key_id: str
    name: str
    spent: Decimal
    limit: Decimal
    share: Decimal


class SpendThresholds:
    """Methods raise RedisError or OSError if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        #: What each key had spent at the last check: keys whose sum has not changed are skipped.
        self._seen: dict[date, dict[bytes, bytes]] = {}

    async def newly_crossed(self) -> list[ThresholdCrossed]:
        """Thresholds newly crossed, now marked as alerted. Includes yesterday: a call may end after midnight."""
        today = utcnow().date()
        days = (today - timedelta(days=1), today)
        self._seen = {day: self._seen.get(day, {}) for day in days}
        return [crossed for day in days for crossed in await self._newly_crossed_on(day)]

    async def unmark(self, unsent: Sequence[ThresholdCrossed]) -> None:
        """Unmark thresholds whose alert was not sent after all; `newly_crossed` returns them again."""
        for crossed in unsent:
            await self._redis.srem(keys.alerted(crossed.day), _mark(crossed))
            self._seen.get(crossed.day, {}).pop(crossed.key_id.encode(), None)

    async def _newly_crossed_on(self, day: date) -> list[ThresholdCrossed]:
        spending: Any = await self._redis.hgetall(keys.spent(day))
        changed = [(key, value) for key, value in spending.items() if self._seen[day].get(key) != value]
        pipeline = self._redis.pipeline(transaction=False)
        for key, _ in changed:
            pipeline.hmget(keys.api_key(key.decode()), "name", "cost")
        limits = await pipeline.execute() if changed else []
        found = [
            ThresholdCrossed(day, key.decode(), (name or b"").decode(), spent, limit_usd, share)
            for (key, value), (name, limit) in zip(changed, limits, strict=True)
            # Skip a number that is damaged or of a newer version, so that other keys still get their alerts.
            if (spent := _amount(value)) is not None and (limit_usd := _amount(limit)) is not None
            for share in SHARES
        ]
        found = [crossed for crossed in found if crossed.spent >= crossed.limit * crossed.share]
        pipeline = self._redis.pipeline()
        for crossed in found:
            pipeline.sadd(keys.alerted(day), _mark(crossed))
            pipeline.expire(keys.alerted(day), _KEPT_SECONDS)
        marked = (await pipeline.execute())[::2] if found else []
        self._seen[day].update(changed)
        return [crossed for crossed, is_new in zip(found, marked, strict=True) if is_new]


def _amount(text: bytes | None) -> Decimal | None:
    try:
        amount = Decimal((text or b"").decode())
    except (InvalidOperation, UnicodeDecodeError):
        return None
    return amount if amount.is_finite() else None


def _mark(crossed: ThresholdCrossed) -> str:
    return f"{crossed.key_id} {crossed.share}"
