"""Writes to the ledger that must not be lost: repeated until Redis takes them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError

from ledger.redis.transient import is_transient
from telemetry.observer import Note, Observer

T = TypeVar("T")

#: Waits between attempts to write while the ledger is unavailable: first and longest, in seconds.
LEDGER_RETRY_SECONDS = (0.1, 2.0)

#: Attempts to write if Redis answers with an error that does not pass, such as a key of the wrong type.
LASTING_FAULT_TRIES = 5


async def persist(
    write: Callable[[], Awaitable[T]], observer: Observer, *, give_up: Callable[[], bool] = lambda: False
) -> T:
    """Repeat `write` until it succeeds: a paid verdict must not be lost. If Redis answers with an error that does not
    pass, raises it after LASTING_FAULT_TRIES attempts; while `give_up` returns True, raises any error at once.
    """
    wait, longest = LEDGER_RETRY_SECONDS
    lasting = 0
    while True:
        try:
            return await write()
        except (RedisError, OSError) as error:
            lasting += not is_transient(error)
            if give_up() or lasting >= LASTING_FAULT_TRIES:
                raise
            observer(Note("ledger.unwritten", "warning", fields={"error": type(error).__name__}))
            await asyncio.sleep(wait)
            wait = min(wait * 2, longest)
