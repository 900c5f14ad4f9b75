"""An API and a worker run while every key of the tables holds rows of a newer version: unknown providers, states and
reasons, further fields and elements, higher versions. Nothing answers 500, nothing stops, and comparisons go on.
"""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from redis.asyncio import Redis
from umpire_key_table import table
from umpire_worker import Desk, api, desk, worker

from access.api_key import Scope
from access.api_keys import ApiKeys
from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from devtools.servers import apoll, free_port

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

MOCK = LLMProviderType.MOCK

SETTINGS = {
    "UMPIRE_AUTH": "keys",
    "UMPIRE_MOCK_ENABLED": "true",
    "UMPIRE_DEFAULT_PROVIDER": "mock",
    "UMPIRE_MOCK_LATENCY_MS": "5",
    "UMPIRE_TEST_MOCK_RPM": "100000",
    "UMPIRE_TEST_LEASE_SECONDS": "3",
    "UMPIRE_KAFKA_DELIVERY_TIMEOUT_SECONDS": "3",
    "UMPIRE_TEST_OUTBOX_RESEND_SECONDS": "4",
    "UMPIRE_GOOGLE_API_KEY": "test",
    "UMPIRE_RESULTS_KEEP_SECONDS": "60",
}

#: A newer version's record.
THEIRS = str(uuid4())
#: A record that was taken in here, with a body that only a newer version can read.
UNREADABLE = str(uuid4())

#: Rows that are not a newer version's to write differently: what the broker keeps, and what is never there.
EXEMPT = {
    "umpire:nothing": "never there",
    "_kombu.binding.<exchange>": "kombu's own",
    "_kombu.binding_permanent.<exchange>": "kombu's own",
    "_kombu.binding_deadlines": "kombu's own",
}

Write = Callable[[Redis], Awaitable[Any]]


def _hash(name: str, **fields: str) -> Write:
    return lambda redis: redis.hset(name, mapping={"v": "2", **fields})


def _zset(name: str, *members: str) -> Write:
    return lambda redis: redis.zadd(name, dict.fromkeys(members, 1))


def _string(name: str, value: str, **options: int) -> Write:
    return lambda redis: redis.set(name, value, **options)


def _set(name: str, *members: str) -> Write:
    return lambda redis: redis.sadd(name, *members)


def writers(key_id: str, replies: str) -> dict[str, list[Write]]:
    """By row of the tables: what a newer version might have written there."""
    now, today = int(time.time() * 1000), utcnow().date().isoformat()
    unreadable = {"s": "queued", "p": "mock", "q": "9", "n": "9", "e": str(now + 10**7), "t": "0", "l": "0", "u": "1"}
    pointer = {"headers": {"task": "tasks.review", "id": THEIRS, "lang": "py"}, "properties": {}, "body": "W10="}
    body = json.dumps({"provider": "mistral", "v": 2})

    async def entries(redis: Redis) -> None:
        await redis.xadd("umpire:outbox", {"v": "2", "z": "compressed"})
        envelope = {"v": "2", "i": THEIRS, "t": "t", "k": "k", "e": '{"v": 2}'}
        await redis.xadd("umpire:outbox", envelope)

    return {
        "umpire:req:<queue id>": [
            _hash(f"umpire:req:{THEIRS}", s="reviewing", p="mistral", q="12", e="1", n="x"),
            _hash(f"umpire:req:{UNREADABLE}", **unreadable),
        ],
        "umpire:body:<queue id>": [
            _string(f"umpire:body:{THEIRS}", body),
            _string(f"umpire:body:{UNREADABLE}", body),
        ],
        "umpire:queued:<provider>": [_zset("umpire:queued:mock", THEIRS, UNREADABLE, "v2|7")],
        "umpire:deferred:<provider>": [_zset("umpire:deferred:mock", THEIRS, "v2|7")],
        "umpire:fetched:<provider>": [_zset("umpire:fetched:mock", THEIRS, "v2|7")],
        "umpire:parked:<provider>:<model>": [_zset("umpire:parked:mock:v2-model", THEIRS, "v2|7")],
        "umpire:claimed:<worker>": [_hash("umpire:claimed:host.0123456789ab", **{"7|v2": THEIRS})],
        "umpire:leases": [_zset("umpire:leases", THEIRS, "v2|7")],
        "umpire:expiry": [_zset("umpire:expiry", THEIRS, "v2|7"), _zset("umpire:expiry", UNREADABLE)],
        "umpire:bytes": [_string("umpire:bytes", "0 v2")],
        "umpire:refusing": [_string("umpire:refusing", "2 v2")],
        "umpire:totals": [
            _hash("umpire:totals", **{"accepted.mistral": "3", "accepted.mock.reviews": "many", "ended.v2": "3"})
        ],
        "umpire:held": [_hash("umpire:held", mistral="3", **{"mock.tokens": "many"})],
        "umpire:outbox": [entries],
        "umpire:outbox:due": [_zset("umpire:outbox:due", "v2|7", "1-1-v2")],
        "umpire:outbox:doubted": [_zset("umpire:outbox:doubted", "v2|7")],
        "umpire:dead": [_zset("umpire:dead", THEIRS, "v2|7")],
        "umpire:dead:<queue id>": [_hash(f"umpire:dead:{THEIRS}", z="compressed")],
        "umpire:result:<queue id>": [_hash(f"umpire:result:{THEIRS}", z="compressed", n="many")],
        "umpire:results": [lambda redis: redis.xadd("umpire:results", {"v": "2", "n": "many"})],
        "umpire:results:bytes": [_string("umpire:results:bytes", "0 v2")],
        "umpire:answer:<queue id>": [_string(f"umpire:answer:{THEIRS}", '{"v": 2}')],
        "umpire:replies:<process>": [
            lambda redis: redis.publish(replies, "v2"),
            lambda redis: redis.publish(replies, b"\xff" * 40),
        ],
        "umpire:workers": [lambda redis: redis.zadd("umpire:workers", {"mistral|host.1": now * 2, "v2": now * 2})],
        "umpire:day:<yyyy-mm-dd>": [_hash(f"umpire:day:{today}", reviewed="7", **{"mistral.completed": "many"})],
        "umpire:once:<hash>": [lambda redis: redis.append(f"umpire:once:{'0' * 64}", "v2")],
        "umpire:custodian": [_string("umpire:custodian", "v2|owner|7", px=1_000)],
        "umpire:resender": [_string("umpire:resender", "v2|owner|7", px=1_000)],
        "umpire:apikey:<key id>": [
            _hash(f"umpire:apikey:{key_id}", rate="9/second", queued="9 each", cost="1 EUR", mode="batch"),
        ],
        "umpire:apikeys": [_set("umpire:apikeys", "v2|7")],
        "umpire:owned": [_hash("umpire:owned", **{"v2|7": "many"})],
        "umpire:spent:<yyyy-mm-dd>": [_hash(f"umpire:spent:{today}", **{"v2|7": "1 EUR", key_id: "1 EUR"})],
        "umpire:alerted:<yyyy-mm-dd>": [_set(f"umpire:alerted:{today}", "v2|7")],
        "umpire.<provider>": [lambda redis: redis.lpush("umpire.mock", json.dumps(pointer))],
        "umpire.<provider>:<step>": [lambda redis: redis.lpush("umpire.mock:9", json.dumps(pointer))],
        "umpire:breaker:<provider>": [_hash("umpire:breaker:mock", state="throttled", since="v2", last_error="LLM_V2")],
        "umpire:breaker:<provider>:window": [_hash("umpire:breaker:mock:window", x12="3", fv2="1")],
        "umpire:gate:<provider>": [_string("umpire:gate:mock", "1 100 v2")],
        "umpire:hold:<provider>": [_hash("umpire:hold:google", reason="audited", since="v2", probe="v2")],
        "umpire:hold:<provider>:<model>": [_hash("umpire:hold:mock:v2-model", reason="audited", since="1")],
        "umpire:holds:<provider>": [_set("umpire:holds:mock", "v2-model", "v2|7")],
        "umpire:limit:<provider>:<model>": [_hash("umpire:limit:mock:mock-judge", r="v2", t="v2", at="v2")],
        "umpire:adapt:<provider>": [_hash("umpire:adapt:mock", limits='{"v": 2}', looked="v2")],
        "umpire:adapt:<provider>:rows": [_hash("umpire:adapt:mock:rows", **{"v2|7": "1 [2]", "other": "v2"})],
        "umpire:adapt:<provider>:sums": [_hash("umpire:adapt:mock:sums", **{"=v2": "x", "reviews": "7"})],
        "umpire:rate:<key id>": [_string(f"umpire:rate:{key_id}", "1 v2")],
    }


async def write_all(at: Desk, key_id: str) -> None:
    (channel,) = await at.redis.pubsub_channels("umpire:replies:*")
    for writes in writers(key_id, channel.decode()).values():
        for write in writes:
            await write(at.redis)


async def judged(at: Desk, client: httpx2.AsyncClient, count: int) -> list[str]:
    """Comparisons in each way that a client may ask for one. Their queue ids."""
    found = []
    for number in range(count):
        mode = ("queue", "queue_if_unavailable", "queue_if_unavailable")[number % 3]
        body = {"user_prompt": "Which is better?", "callback_topic": at.topic, "processing_mode": mode}
        answer = await client.post("/api/v1/comparison", json=body, headers={"idempotency-key": uuid4().hex})
        assert answer.status_code in {200, 202}, answer.text
        found.append(answer.json()["queue_id"])
    return found


async def unfit(client: httpx2.AsyncClient) -> list[str]:
    """Every other route, and what it should not have answered."""
    asked = [
        await client.get("/healthz"),
        await client.get("/readyz"),
        await client.get("/metrics"),
        await client.get("/api/v1/providers"),
        await client.get("/api/v1/models"),
        await client.post("/api/v1/providers/mock/test"),
        await client.delete(f"/api/v1/comparison/{THEIRS}"),
        await client.delete(f"/api/v1/comparison/{UNREADABLE}"),
        await client.delete(f"/api/v1/comparison/{uuid4()}"),
        await client.post(f"/api/v1/comparison/{THEIRS}/redeliver"),
        await client.post("/api/v1/comparison/redeliver", json={"queue_ids": [THEIRS, UNREADABLE]}),
    ]
    found = [f"{one.url.path}: {one.status_code} {one.text[:200]}" for one in asked if one.status_code >= 500]
    # While the breaker's probe is out, nothing else is called.
    return [one for one in found if not one.startswith("/api/v1/providers/mock/test: 503")]


def test_every_row_of_the_tables_has_rows_of_a_newer_version() -> None:
    assert {row.name for row in table()} == writers("k", "r").keys() | EXEMPT.keys()


async def test_nothing_stops_and_comparisons_go_on(redis_url: str, kafka_bootstrap: str) -> None:
    async with desk(redis_url, kafka_bootstrap) as at:
        port = free_port()
        settings = {**SETTINGS, **at.settings}
        key, text = await ApiKeys(at.redis).create("one", frozenset(Scope), rate=6_000, max_queued=1_000)
        async with (
            worker(MOCK, **settings, UMPIRE_METRICS_PORT=str(port)) as runs,
            api(**settings) as (client, door),
        ):
            client.headers["authorization"] = f"Bearer {text}"
            before = await judged(at, client, 3)
            await at.inbox.until(before, 30)
            await write_all(at, key.id)
            since = time.monotonic()
            ids: list[str] = []
            # For longer than every duty's period: custodian, resender, heartbeat, alerts, looks at limits.
            while time.monotonic() - since < 8:
                ids += await judged(at, client, 6)
                assert await unfit(client) == []
            await at.inbox.until(ids, 30)
            # A second time, beside what has been done since.
            await write_all(at, key.id)
            again = await judged(at, client, 30)
            await at.inbox.until(again, 30)
            assert await unfit(client) == []

            async def closed() -> bool:
                ready = (await client.get("/readyz")).json()["dependencies"]["providers"]["mock"]
                return bool(ready["state"] == "closed")

            await apoll(closed, 20, what="the breaker, whose state was unknown, is closed")
            answer = (
                await client.post("/api/v1/comparison", json={"user_prompt": "?", "callback_topic": at.topic})
            ).json()
            assert answer["winner"], "its client is answered while it waits"

            async def counted() -> bool:
                async with httpx2.AsyncClient() as reader:
                    text = (await reader.get(f"http://127.0.0.1:{port}/metrics")).text
                rows = [line for line in text.splitlines() if line.startswith("llm_provider_unknown_rows_total{")]
                return all(any(f'kind="{kind}"' in row for row in rows) for kind in ("record", "outbox", "event"))

            await apoll(counted, 20, every=0.2, what="what was passed over is counted")
            for log in (runs.log, door.log.read_text()):
                assert '"error.unexpected"' not in log
                assert "Traceback" not in log
            assert runs.process.running
            assert door.running
        # Theirs are where they were.
        assert await at.redis.hget(f"umpire:req:{THEIRS}", "s") == b"reviewing"
        assert await at.redis.exists(f"umpire:body:{THEIRS}", f"umpire:body:{UNREADABLE}") == 2
        assert await at.redis.zscore("umpire:leases", THEIRS) == 1
        assert await at.redis.xlen("umpire:outbox") == 4
