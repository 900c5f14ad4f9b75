"""The limits of an API key hold in a real worker: what it may spend, and where it may publish."""

import pytest
from umpire_ledger import House
from umpire_worker import attempts_at, desk, judging, reach, worker

from contracts.clock import utcnow
from contracts.encoding import loads
from contracts.enums import LLMErrorCode, LLMProviderType
from contracts.topics import COST_ALERT
from devtools.servers import apoll
from devtools.upstream import upstream
from ledger import keys
from ledger.outbox.dead_letters import DeadLetters

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC


async def test_a_request_whose_key_may_not_spend_or_publish_makes_no_call(redis_url: str, kafka_bootstrap: str) -> None:
    """The first of ann's two requests uses up her limit, so that the second one ends with a typed error; ben's and
    nobody's are judged. Each share of a limit is told once. A topic that the key no longer has gets nothing, not even
    the error: that becomes a dead letter.
    """
    async with desk(redis_url, kafka_bootstrap) as at, upstream(judging()) as provider:
        house = House(at.redis)
        await house.key("ann", cost="0.0000001")
        await house.key("ben", cost="1000", topics="verdicts.*")
        await house.key("cat", topics="team.*")
        first, second = [await at.submit(ANTHROPIC, owner="ann") for _ in range(2)]
        theirs, nobodys = await at.submit(ANTHROPIC, owner="ben"), await at.submit(ANTHROPIC)
        fine, at.topic = at.topic, f"{at.topic}.withdrawn"
        withdrawn, at.topic = await at.submit(ANTHROPIC, owner="cat"), fine
        settings = {**at.settings, **reach(ANTHROPIC, provider.url), "UMPIRE_ANTHROPIC_CONCURRENCY": "1"}
        async with worker(ANTHROPIC, **settings):
            results = await at.inbox.until([first, second, theirs, nobodys], 60)
            dead = DeadLetters(at.redis)
            letter = await apoll(lambda: dead.read(withdrawn), 30, what="a dead letter")
            told = at.lifecycle(COST_ALERT)
            await apoll(lambda: len(told.look()) >= 2, 30, what="two alerts")

        assert all(results[queue_id].data.winner for queue_id in (first, theirs, nobodys))
        error = results[second].data.error_detail
        assert error is not None
        assert error.error_code is LLMErrorCode.COST_LIMIT_EXCEEDED
        assert error.details["limit"] == "daily_cost"
        assert 0 < error.details["retry_after"] <= 86_400
        assert results[second].data.cost_estimate == 0
        assert attempts_at(provider) == dict.fromkeys((first, theirs, nobodys), 1)

        spent = await at.redis.hgetall(keys.spent(utcnow().date()))
        costs = {b"ann": results[first].data.cost_estimate, b"ben": results[theirs].data.cost_estimate}
        assert {key: float(cost) for key, cost in spent.items()} == pytest.approx(costs)
        assert not await at.redis.exists(keys.OWNED)

        alerts = sorted((event["data"] for event in told.events), key=lambda alert: alert["threshold"])
        assert [(a["alert_type"], a["threshold"], a["metadata"]["key_id"]) for a in alerts] == [
            ("daily_limit", pytest.approx(8e-8), "ann"),
            ("daily_limit", pytest.approx(1e-7), "ann"),
        ]

        assert (letter.topic, letter.reason) == (f"{fine}.withdrawn", "TOPIC_FORBIDDEN")
        data = loads(letter.event)["data"]
        assert data["error_detail"]["error_code"] == "LLM_INVALID_CALLBACK_TOPIC"
        assert data["winner"] is None
