"""Before a process starts that needs Redis: one line for what Redis refuses, in place of a crash at each start."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from cli.environment import USAGE
from cli.failure import Failure

if TYPE_CHECKING:
    from contracts.settings import RedisAddress


def check_redis(address: "RedisAddress") -> bool:
    """False: no answer; the process may start all the same. Raises Failure."""
    return asyncio.run(_ask(address))


async def check_own_redis(address: "RedisAddress", say: Callable[[str], None]) -> None:
    """Of `umpire up`, which needs an answer. Raises Failure."""
    from ledger.preflight import durability_of

    if not await _ask(address):
        raise Failure("no answer from the Redis that UMPIRE_REDIS_URL names")
    for line in await durability_of(address):
        say(f"warning: Redis' {line}")


async def _ask(address: "RedisAddress") -> bool:
    from ledger.preflight import RedisRefuses, preflight

    try:
        return await preflight(address)
    except RedisRefuses as refuses:
        raise Failure(str(refuses), code=USAGE) from refuses
