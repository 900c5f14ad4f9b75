"""A call longer than its lease, Celery's visibility timeout and its client's patience: one call, one event."""

import asyncio

import pytest
from umpire_worker import CANARY, Worker, api, attempts_at, desk, judging, reach

from contracts.enums import LLMProviderType
from devtools.servers import apoll
from devtools.upstream import upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka, pytest.mark.stack]

ANTHROPIC = LLMProviderType.ANTHROPIC
CALL_SECONDS = 6.0

SETTINGS = {
    "UMPIRE_TEST_LEASE_SECONDS": "2",
    "UMPIRE_TEST_LOST_POINTER_SECONDS": "2",
    "UMPIRE_ANTHROPIC_CONCURRENCY": "1",
}

#: Celery's own redelivery is off (tasks/app.py): this is `umpire` with it, and with the shortest patience.
IMPATIENT = """
import sys, tasks.app as celery
celery.app.conf.broker_transport_options |= {"ack_emulation": True, "unacked_restore_throttle": 1}
celery.app.conf.broker_transport_options |= {"visibility_timeout": 1, "unacked_restore_interval": 1}
from cli.main import main
sys.argv[0] = "umpire"
main()
"""


def impatient(**settings: str) -> Worker:
    made = Worker(ANTHROPIC, **settings)
    made.process.command[1:3] = ["-c", IMPATIENT]
    return made


async def test_it_runs_once(redis_url: str, kafka_bootstrap: str) -> None:
    """Two workers of one slot each; the third message waits unacknowledged for a slot, and is redelivered to both."""
    async with desk(redis_url, kafka_bootstrap) as at, upstream(judging(seconds=CALL_SECONDS)) as provider:
        settings = {**SETTINGS, **at.settings, **reach(ANTHROPIC, provider.url)}
        workers = [impatient(**settings) for _ in range(2)]
        try:
            await asyncio.gather(*(asyncio.to_thread(each.start) for each in workers))
            async with api(**settings) as (client, _):
                body = {"user_prompt": CANARY, "callback_topic": at.topic}
                posts = [client.post("/api/v1/comparison", json=body, headers={"Prefer": "wait=1"}) for _ in range(3)]
                answers = await asyncio.gather(*posts)
                assert {answer.status_code for answer in answers} == {202}, "no client waited for it"
                ids = [answer.json()["queue_id"] for answer in answers]
                deliveries: dict[bytes, set[float]] = {}

                async def redelivered() -> bool:
                    for tag, at_time in await at.redis.zrange("unacked_index", 0, -1, withscores=True):
                        deliveries.setdefault(tag, set()).add(at_time)
                    return max(map(len, deliveries.values()), default=0) > 2

                await apoll(redelivered, 20, what="the third message comes again and again")
                results = await at.inbox.until(ids, 60)
                assert {results[queue_id].data.winner for queue_id in ids} == {"Essay B"}
                # Whatever a redelivered pointer, or a lapse, could still do, it does within a lease.
                await asyncio.sleep(2.5)
                assert attempts_at(provider) == dict.fromkeys(ids, 1)
                assert len(at.inbox.look()) == 3
                lapses = [await at.redis.hget(f"umpire:req:{queue_id}", "l") for queue_id in ids]
                assert set(lapses) == {b"0"}
        finally:
            for each in workers:
                each.discard()
