"""Checks Redis before a process starts: a refusal by Redis is reported in one line instead of a crash at each start."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from cli.environment import USAGE
from cli.failure import Failure

if TYPE_CHECKING:
    from contracts.settings import RedisAddress


def check_redis(address: "RedisAddress") -> bool:
    """Whether Redis answers; without an answer the process may start nevertheless. Raises Failure if it refuses."""
    return asyncio.run(_ask(address))


async def check_own_redis(address: "RedisAddress", say: Callable[[str], None]) -> None:
    """The check of `umpire up`, which also warns of settings that risk data. Raises Failure without an answer."""
    from ledger.redis.preflight import durability_of

    if not await _ask(address):
        raise Failure("no answer from the Redis that UMPIRE_REDIS_URL names")
    for line in await durability_of(address):
        say(f"warning: Redis' {line}")


async def _ask(address: "RedisAddress") -> bool:
    from ledger.redis.preflight import RedisRefuses, preflight

    try:
        return await preflight(address)
    except RedisRefuses as refuses:
        raise Failure(str(refuses), code=USAGE) from refuses
