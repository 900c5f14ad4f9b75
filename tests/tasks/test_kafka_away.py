"""Kafka away, and Kafka refusing: results wait, arrive once it is back, or become dead letters that can be replayed."""

import asyncio
from collections.abc import Callable

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from umpire_cli import umpire
from umpire_worker import Desk, desk, worker

from contracts.encoding import loads
from contracts.enums import LLMProviderType
from contracts.topics import CALLBACK_DEAD_LETTER
from devtools.kafka import KafkaServer
from devtools.servers import apoll
from ledger.outbox.dead_letters import DeadLetters

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

MOCK = LLMProviderType.MOCK
ACLS = {
    "authorizer_class_name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow_everyone_if_no_acl_found": "true",
}
FAST = {"UMPIRE_MOCK_LATENCY_MS": "5", "UMPIRE_KAFKA_DELIVERY_TIMEOUT_SECONDS": "2"}


async def make_topic(bootstrap: str, name: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    await asyncio.to_thread(admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result)


async def deny(bootstrap: str, topic: str) -> None:
    rule = AclBinding(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        "User:ANONYMOUS",
        "*",
        AclOperation.WRITE,
        AclPermissionType.DENY,
    )
    admin = AdminClient({"bootstrap.servers": bootstrap})
    await asyncio.to_thread(admin.create_acls([rule])[rule].result)


async def waiting(at: Desk, count: int) -> bool:
    return bool(await at.redis.xlen("umpire:outbox") == count)


async def test_results_outlive_kafka_and_their_worker(redis_url: str, kafka_server: Callable[..., KafkaServer]) -> None:
    """Comparisons go on without Kafka, and a worker is killed meanwhile: all results arrive, each with one id. Those
    for a topic that the broker does not know and may not make, or that we may not write to, become dead letters.
    """
    kafka = kafka_server(auto_create_topics_enable="false", **ACLS)
    async with desk(redis_url, kafka.bootstrap) as at:
        await make_topic(kafka.bootstrap, at.topic)
        await make_topic(kafka.bootstrap, "denied")
        await deny(kafka.bootstrap, "denied")
        kafka.stop()
        async with worker(MOCK, **FAST, **at.settings) as killed:
            first = [await at.submit(MOCK) for _ in range(200)]
            await apoll(lambda: waiting(at, 200), 60, what="200 results in the outbox")
            assert await at.states(first) == {"completed": 200}
            killed.process.kill()
        patience = {"UMPIRE_TEST_OUTBOX_RESEND_SECONDS": "3", "UMPIRE_TEST_KAFKA_UNKNOWN_TOPIC_SECONDS": "2"}
        async with worker(MOCK, **FAST, **patience, **at.settings):
            second = [await at.submit(MOCK) for _ in range(100)]
            await apoll(lambda: waiting(at, 300), 60, what="300 results in the outbox")
            await asyncio.to_thread(kafka.start)
            results = await at.inbox.until([*first, *second], 60)
            assert results.keys() == {*first, *second}
            await apoll(lambda: waiting(at, 0), 30, what="an empty outbox")
            at.topic = "unknown"
            unknown = await at.submit(MOCK)
            at.topic = "denied"
            denied = await at.submit(MOCK)
            dead = DeadLetters(at.redis)
            letters = [await apoll(lambda q=q: dead.read(q), 30, what="a dead letter") for q in (unknown, denied)]
        assert [letter.topic for letter in letters] == ["unknown", "denied"]
        assert letters[0].reason in {"_UNKNOWN_TOPIC", "UNKNOWN_TOPIC_OR_PART"}
        assert letters[1].reason == "TOPIC_AUTHORIZATION_FAILED"


@pytest.mark.parametrize("any_kafka", ["apache"], indirect=True)
async def test_what_is_refused_for_good_is_told_and_can_be_replayed(redis_url: str, any_kafka: str) -> None:
    async with desk(redis_url, any_kafka) as at:
        fine, narrow = at.topic, f"{at.topic}.narrow"
        await make_topic(any_kafka, narrow, **{"max.message.bytes": "3000"})
        deaths = at.lifecycle(CALLBACK_DEAD_LETTER)
        async with worker(MOCK, **FAST, **at.settings, UMPIRE_CALLBACK_TOPICS="verdicts.*"):
            at.topic = narrow
            large = await at.submit(MOCK, metadata={"note": "x" * 5_000})
            at.topic = "elsewhere"
            forbidden = await at.submit(MOCK)
            dead = DeadLetters(at.redis)
            await apoll(lambda: at.redis.zcard("umpire:dead"), 30)
            told = await apoll(lambda: len(deaths.look()) >= 2 and deaths.events, 30, what="both on the topic")
            reasons = {letter.queue_id: (letter.reason, letter.topic) for letter in await dead.newest(9)}
            assert reasons == {large: ("MSG_SIZE_TOO_LARGE", narrow), forbidden: ("TOPIC_FORBIDDEN", "elsewhere")}
            assert {e["data"]["request_id"]: e["metadata"]["dead_letter_reason"] for e in told} == {
                queue_id: reason for queue_id, (reason, _) in reasons.items()
            }
            assert all("note" not in event["data"]["request_metadata"] for event in told)
            event_ids = {event["data"]["request_id"]: event["event_id"] for event in told}
            options = {"UMPIRE_REDIS_URL": redis_url, "UMPIRE_CALLBACK_TOPICS": "verdicts.*"}
            replayed = await asyncio.to_thread(umpire, "outbox", "replay", "--all", "--topic", fine, **options)
            assert replayed.returncode == 0, replayed.stderr
            results = await at.inbox.until([large, forbidden], 15)
            assert {queue_id: str(result.event_id) for queue_id, result in results.items()} == event_ids
            assert results[large].data.request_metadata["note"] == "x" * 5_000
            assert loads(at.inbox.messages[0].value() or b"")["metadata"] is None
            assert await dead.count() == 0
