"""Access to Redis for commands: a check before a process starts, and queries of operators' commands."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError

from cli.failure import USAGE, Failure
from cli.stack.data_directory import read_stack
from contracts.settings import RedisAddress, Settings
from ledger.redis.connection import connect
from ledger.redis.preflight import RedisRefuses, durability_of, preflight

T = TypeVar("T")

#: Seconds that Redis may take to answer a query: short, since a person waits.
_SECONDS = 5.0


def check_redis(address: RedisAddress) -> bool:
    """Whether Redis answers; without an answer the process may start nevertheless. Raises Failure if it refuses: one
    line now is better than a crash at each start.
    """
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


def ask_redis(settings: Settings, data_dir: Path, query: Callable[[Redis], Awaitable[T]]) -> T:
    """Run a query on the Redis of the settings, or else on that of a stack that runs in the data directory.

    Raises Failure when Redis does not answer or refuses.
    """
    url = settings.redis.redis_url.get_secret_value()
    if "UMPIRE_REDIS_URL" not in os.environ:
        url = (read_stack(data_dir) or {}).get("redis") or url
    address = settings.redis.address(url)

    async def ask() -> T:
        redis = connect(address.url, timeout=_SECONDS, tls=address.tls)
        try:
            return await query(redis)
        finally:
            await redis.aclose()

    try:
        return asyncio.run(ask())
    except (OutOfMemoryError, ReadOnlyError) as error:
        why = "is out of memory" if isinstance(error, OutOfMemoryError) else "is read-only (a replica?)"
        raise Failure(f"Redis {why}; nothing was changed") from error
    except (RedisError, OSError) as error:
        check_redis(address)  # raises Failure with the reason if Redis answers and refuses
        why = f"Redis does not answer ({type(error).__name__})"
        raise Failure(f"{why}; is it running, and is UMPIRE_REDIS_URL right?") from error
