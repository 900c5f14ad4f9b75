"""Runs a query on the Redis of the settings, or else on that of a stack that runs in the data directory."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError

from cli.failure import Failure
from cli.options import read_settings
from cli.serve.checks import check_redis
from cli.stack.data_directory import read_stack
from ledger.redis.connection import connect

T = TypeVar("T")

#: Seconds that Redis may take: short, since a person waits.
_SECONDS = 5.0


def ask_redis(data_dir: Path, query: Callable[[Redis], Awaitable[T]]) -> T:
    """Run `query` on a connection. Raises Failure for wrong settings, and when Redis does not answer or refuses."""
    settings = read_settings()
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
