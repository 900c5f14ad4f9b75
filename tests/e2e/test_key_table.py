"""Every key of a busy ledger stands in the tables of keys, and every row of the tables is a key of a busy ledger."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis
from umpire_account import ANTHROPIC, MODEL_FORBIDDEN, Account, refused
from umpire_key_table import table
from umpire_worker import Desk, api, desk, reach, worker

from access.api_key import Scope
from access.api_keys import ApiKeys
from contracts.enums import LLMProviderType
from contracts.errors import QueueFull
from contracts.settings import KafkaSettings, LedgerSettings
from devtools.kafka import KafkaServer
from devtools.servers import apoll
from devtools.upstream import answer, upstream
from events.topics import ensure_topic
from guard import hold
from ledger import keys
from ledger.ledger import Ledger

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

MOCK, OPENAI, GOOGLE = LLMProviderType.MOCK, LLMProviderType.OPENAI, LLMProviderType.GOOGLE

OTHER_MODEL = "claude-sonnet-5-5"

#: Rows that no run can show, and why.
NEVER_SEEN = {keys.NOTHING: "it is written only where it is there, which it never is"}

SETTINGS = {
    "UMPIRE_AUTH": "keys",
    "UMPIRE_RESULTS_KEEP_SECONDS": "3600",
    "UMPIRE_CALLBACK_TOPICS": "verdicts.*",
    "UMPIRE_TEST_LEASE_SECONDS": "3",
    "UMPIRE_KAFKA_DELIVERY_TIMEOUT_SECONDS": "2",
    "UMPIRE_RETRY_ATTEMPTS": "1",
    "UMPIRE_TEST_DEFER_SECONDS": "3600",
    "UMPIRE_MOCK_ENABLED": "true",
    "UMPIRE_MOCK_LATENCY_MS": "1500",
    "UMPIRE_MOCK_CONCURRENCY": "2",
    "UMPIRE_ANTHROPIC_RPM": "600",
    "UMPIRE_GOOGLE_API_KEY": "test",
    "UMPIRE_OPENAI_API_KEY": "test",
}

OVERLOADED = refused(529, "overloaded_error")
PATIENCE = answer(429, {"type": "error", "error": {"type": "rate_limit_error", "message": "no"}}, {"retry-after": "60"})


#: The type of key that each of Redis's keyspace events writes to; other events (del, expire, …) write to none.
TYPE_OF_EVENT = {
    **dict.fromkeys(("set", "incrby", "incrbyfloat", "append", "setrange", "setbit"), "string"),
    **dict.fromkeys(("hset", "hincrby", "hincrbyfloat", "hdel"), "hash"),
    **dict.fromkeys(("lpush", "rpush", "lpop", "rpop", "lset", "lrem", "ltrim", "linsert"), "list"),
    **dict.fromkeys(("sadd", "srem", "spop", "sdiffstore", "sinterstore", "sunionstore"), "set"),
    **dict.fromkeys(("zadd", "zincr", "zrem", "zremrangebyscore", "zremrangebyrank", "zunionstore"), "zset"),
    **dict.fromkeys(("xadd", "xtrim", "xdel"), "stream"),
}


@contextlib.asynccontextmanager
async def watching(redis: Redis) -> AsyncIterator[dict[str, str]]:
    """Every key that is written at any time, with its type, and every channel that has a subscriber.

    Redis reports each write itself (keyspace events): a scan would miss a key that lives shorter than a round of it.
    """
    seen: dict[str, str] = {}
    over = asyncio.Event()
    before = (await redis.config_get("notify-keyspace-events"))["notify-keyspace-events"]
    await redis.config_set("notify-keyspace-events", "EA")
    events = redis.pubsub(ignore_subscribe_messages=True)
    await events.psubscribe("__keyevent@*__:*")

    async def watch() -> None:
        while not over.is_set():
            while message := await events.get_message(timeout=0.05):
                kind = TYPE_OF_EVENT.get(message["channel"].decode().rpartition(":")[2])
                if kind is not None:
                    seen[message["data"].decode()] = kind
            for channel in await redis.pubsub_channels("umpire:*"):
                seen[channel.decode()] = "channel"

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        # Not cancelled: a cancellation in the middle of a command can get lost in the client's own timeout.
        over.set()
        await task
        await events.aclose()
        await redis.config_set("notify-keyspace-events", before)


async def busy(at: Desk, account: Account) -> None:
    """A ledger with something in every state."""
    settings = {**SETTINGS, **at.settings, **reach(ANTHROPIC, account.upstream.url)}
    limits = {"rate": 6_000, "max_queued": 1_000, "daily_cost": 1e-6}
    key, text = await ApiKeys(at.redis).create("busy", frozenset(Scope), **limits)
    await hold.pause(at.redis, OPENAI, None, "for the test")
    account.fault_of |= {OTHER_MODEL: MODEL_FORBIDDEN, "overloaded": OVERLOADED, "patience": PATIENCE}
    async with (
        # Two of one provider: what one reports stays in the sums until the other looks at them.
        worker(MOCK, **settings),
        worker(MOCK, **settings),
        worker(ANTHROPIC, **settings),
        api(**settings) as (client, _),
    ):

        async def post(provider: LLMProviderType, mode: str, **headers: str) -> str:
            body = {"user_prompt": "Which is better?", "callback_topic": at.topic, "processing_mode": mode}
            body["llm_config_overrides"] = {"provider_override": provider.value}  # type: ignore[assignment] - JSON
            answered = await client.post(
                "/api/v1/comparison", json=body, headers={"authorization": f"Bearer {text}", **headers}
            )
            assert answered.status_code in {200, 202}, answered.text
            found: str = answered.json()["queue_id"]
            return found

        judged = [await post(MOCK, "queue_if_unavailable", **{"idempotency-key": "once"})]
        judged += [await at.submit(MOCK) for _ in range(10)]
        cancelled = await post(GOOGLE, "queue")
        await post(GOOGLE, "queue")  # nobody serves it: queued, with its owner
        await at.submit(GOOGLE, priority=10)
        await post(OPENAI, "queue")  # on hold
        answered = await client.delete(f"/api/v1/comparison/{cancelled}", headers={"authorization": f"Bearer {text}"})
        assert answered.status_code == 200
        # Of a key that has a limit of cost: what it spends is told once it is above that.
        judged.append(await at.submit(ANTHROPIC, owner=key.id))
        await at.inbox.until(judged[-1:], 30)
        parked = await at.submit(ANTHROPIC, model=OTHER_MODEL)
        deferred = await at.submit(ANTHROPIC, "overloaded")
        topic, at.topic = at.topic, "elsewhere"
        dead = await at.submit(MOCK)
        at.topic = "verdicts.unknown"
        await at.submit(MOCK)
        at.topic = topic
        await at.inbox.until([*judged, cancelled], 60)

        async def there(name: str) -> bool:
            return bool(await at.redis.exists(name))

        for name in (f"umpire:parked:anthropic:{OTHER_MODEL}", f"umpire:dead:{dead}", "umpire:outbox:doubted"):
            await apoll(lambda name=name: there(name), 30, what=name)
        assert await at.states([parked, deferred]) == {"deferred": 2}
        await apoll(lambda: alerted(at), 20, what="the alert of the key's cost")
        # Last: nothing goes on at that provider afterwards.
        await at.submit(ANTHROPIC, "patience")
        await apoll(lambda: there("umpire:gate:anthropic"), 20, what="the pause that it asked for")
        full = Ledger(at.redis, LedgerSettings(ledger_max_size=1), timeout=5.0)
        ours, at.ledger = at.ledger, full
        with pytest.raises(QueueFull):
            await at.submit(GOOGLE)
        at.ledger = ours
        await apoll(lambda: there("umpire:refusing"), 5)


async def alerted(at: Desk) -> bool:
    return bool([key async for key in at.redis.scan_iter("umpire:alerted:*")])


async def test_the_tables_of_keys_are_those_of_a_busy_ledger(
    redis_url: str, kafka_server: Callable[..., KafkaServer]
) -> None:
    kafka = kafka_server(auto_create_topics_enable="false").bootstrap
    account = Account()
    async with desk(redis_url, kafka) as at, upstream(account.serve) as provider:
        account.upstream = provider
        await asyncio.to_thread(ensure_topic, KafkaSettings(kafka_bootstrap=kafka), at.topic)
        async with watching(at.redis) as seen:
            await busy(at, account)
    rows = table()
    wrong = {}
    for key, kind in seen.items():
        matching = [row for row in rows if row.matches(key)]
        if [row.kind for row in matching] != [kind]:
            wrong[key] = (kind, matching)
    assert wrong == {}
    unseen = {row.name for row in rows if not any(row.matches(key) for key in seen)}
    assert unseen == set(NEVER_SEEN)


def test_every_row_has_a_type_and_known_placeholders() -> None:
    """A row that is written otherwise would not be read, and so never be held against a ledger."""
    import re

    import access.keys
    import guard.keys

    lines = f"{keys.__doc__}\n{guard.keys.__doc__}\n{access.keys.__doc__}".splitlines()
    named = [line for line in lines if re.match(r"umpire[:.]|_kombu", line)]
    assert len(named) == len(table())
    assert not [row for row in table() if row.matches("nothing of ours")]
