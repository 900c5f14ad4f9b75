"""What is checked before processes start, so that a refusal by Redis or Kafka is one line instead of a crash."""

import asyncio
from collections.abc import Callable

from cli.failure import USAGE, Failure
from contracts.settings import Settings
from contracts.settings.redis import RedisAddress
from contracts.topics import CALLBACK_DEAD_LETTER
from ledger.redis.preflight import RedisRefuses, durability_of, preflight


def check_redis(address: RedisAddress) -> bool:
    """Whether Redis answers; without an answer the process may start nevertheless. Raises Failure if it refuses."""
    return asyncio.run(_check(address))


async def check_own_redis(address: RedisAddress, say: Callable[[str], None]) -> None:
    """The check of `umpire up`, which also warns of settings that risk data. Raises Failure without an answer."""
    if not await _check(address):
        raise Failure("no answer from the Redis that UMPIRE_REDIS_URL names")
    for line in await durability_of(address):
        say(f"warning: Redis' {line}")


async def _check(address: RedisAddress) -> bool:
    try:
        return await preflight(address)
    except RedisRefuses as refuses:
        raise Failure(str(refuses), code=USAGE) from refuses


def make_topics(settings: Settings) -> tuple[bool, str]:
    """Make the dead-letter topic if it is missing. Returns (True, what was done), or (False, why Kafka refused)."""
    from confluent_kafka import KafkaException

    from events.topics import ensure_topic

    topic = settings.kafka.topic_prefix + CALLBACK_DEAD_LETTER
    try:
        return True, f"{topic} {'is made' if ensure_topic(settings.kafka, topic) else 'is there'}"
    except KafkaException as refused:
        return False, f"{topic} could not be made: Kafka says {refused.args[0].name()}"
