"""Alerts of what an API key spends: each key, day and share once, whoever is the custodian, and not lost to Kafka."""

from datetime import timedelta

import pytest
from redis.asyncio import Redis
from umpire_events import Remembered

from contracts.clock import utcnow
from ledger import keys
from ledger.redis.connection import connect
from ledger.spend import SpendThresholds
from maintenance.cost_alerts import CostAlerts

pytestmark = pytest.mark.redis

TODAY = utcnow().date()


class Events:
    """Takes what it is told, or drops it, as a Kafka that is away would."""

    def __init__(self):
        self.told, self.ids, self.away = [], [], False

    def send(self, event, *, event_id, dropped):
        if self.away:
            dropped()
        else:
            self.told.append((event.metadata["key_id"], event.period, event.threshold))
            self.ids.append(event_id)


@pytest.fixture
async def redis(redis_url):
    client: Redis = connect(redis_url, timeout=2.0)
    for key_id, limit in {"ann": "0.1", "ben": "2", "none": ""}.items():
        await client.hset(keys.api_key(key_id), mapping={"name": f"{key_id}'s", "cost": limit})
    yield client
    await client.aclose()


@pytest.fixture
def events():
    return Events()


@pytest.fixture
def notes():
    return Remembered()


@pytest.fixture
def alerts(redis, events, notes):
    def make():
        return CostAlerts(SpendThresholds(redis), events, in_charge=lambda: True, observer=notes)

    return make


async def spend(redis, key_id, usd, day=TODAY):
    await redis.hincrbyfloat(keys.spent(day), key_id, usd)


async def test_each_share_is_told_once_whoever_looks(redis, events, alerts):
    first, second = alerts(), alerts()
    for usd, expected in ((0.07, []), (0.01, [0.08]), (0.01, [0.08]), (0.01, [0.08, 0.1]), (5, [0.08, 0.1])):
        await spend(redis, "ann", usd)
        await spend(redis, "none", usd)
        await first.run_once()
        await second.run_once()
        await first.run_once()
        assert [threshold for _, _, threshold in events.told] == expected
    assert {(key_id, period) for key_id, period, _ in events.told} == {("ann", TODAY.isoformat())}
    assert 0 < await redis.ttl(keys.alerted(TODAY)) <= 3 * 86_400


async def test_both_shares_at_once_and_each_key_by_itself(redis, events, alerts):
    await spend(redis, "ann", 1)
    await spend(redis, "ben", 1.7)
    await alerts().run_once()
    assert sorted(events.told) == [("ann", TODAY.isoformat(), t) for t in (0.08, 0.1)] + [
        ("ben", TODAY.isoformat(), 1.6)
    ]


async def test_what_was_spent_just_before_midnight_is_told_after_it(redis, events, alerts):
    yesterday = TODAY - timedelta(days=1)
    await spend(redis, "ben", 1.9, yesterday)
    await alerts().run_once()
    assert events.told == [("ben", yesterday.isoformat(), 1.6)]


async def test_what_kafka_did_not_take_is_told_when_it_does_and_logged_once(redis, events, alerts, notes):
    one = alerts()
    events.away = True
    await spend(redis, "ann", 1)
    for _ in range(3):
        await one.run_once()
    events.away = False
    for _ in range(3):
        await one.run_once()
    assert [threshold for _, _, threshold in events.told] == [0.08, 0.1]
    assert len(set(events.ids)) == 2
    assert [note.what for note in notes] == ["cost.limit_near", "cost.limit_reached"]
