"""Time runs out where no worker is alive, too; where one is, its custodian sees to it."""

from uuid import UUID

import pytest
from umpire_servers import apoll
from umpire_service import SECRET, Worker

from contracts.encoding import loads
from ledger.custody import Custody
from service.expiry import Expiry

pytestmark = pytest.mark.redis


async def queued(api):
    return (await api.post(processing_mode="queue", metadata={"essay_a_id": "a"})).json()["queue_id"]


async def test_without_a_worker_the_door_ends_what_is_past_its_time(settings, api):
    late, in_time = [await queued(api) for _ in range(2)]
    redis = Worker(settings).redis
    await redis.zadd("umpire:expiry", {late: 1}, xx=True)

    async def expired():
        return await api.parts.ledger.state(UUID(late)) == "expired"

    await apoll(expired, what="it has expired")
    assert await api.parts.ledger.state(UUID(in_time)) == "queued"
    ((_, entry),) = await redis.xrange("umpire:outbox")
    result = loads(entry[b"e"])["data"]
    assert (entry[b"i"].decode(), result["request_metadata"]["essay_a_id"]) == (late, "a")
    error = result["error_detail"]
    assert (error["error_code"], error["details"]["reason"]) == ("LLM_PROVIDER_TIMEOUT", "LLM_REQUEST_EXPIRED")
    assert SECRET.encode() not in entry[b"e"]
    assert await redis.get("umpire:custodian") is None
    await redis.aclose()


@pytest.mark.parametrize("who", ["worker", "another door"])
async def test_it_is_left_to_a_live_worker_and_to_another_door_at_work(settings, api, who):
    worker = Worker(settings)
    other = Custody(worker.redis, settings.ledger, owner="other")
    expiry = Expiry(api.parts.ledger, Custody(worker.redis, settings.ledger, owner="door"), api.parts.ender, api.notes)
    await (other.hold_lock() if who == "another door" else worker.claims.renew([], []))
    queue_id = await queued(api)
    await worker.redis.zadd("umpire:expiry", {queue_id: 1}, xx=True)
    await expiry.look()
    assert await api.parts.ledger.state(UUID(queue_id)) == "queued"
    await (other.release_lock() if who == "another door" else worker.claims.leave())
    await expiry.look()
    assert await api.parts.ledger.state(UUID(queue_id)) == "expired"
    await worker.redis.aclose()
