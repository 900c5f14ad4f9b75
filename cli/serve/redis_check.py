"""Checks Redis before a process starts: a refusal by Redis is reported in one line instead of a crash at each start."""

import asyncio
from collections.abc import Callable

from cli.failure import USAGE, Failure
from contracts.settings import RedisAddress
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
