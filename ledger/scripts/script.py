"""Lua scripts: each is read once from a .lua file of its package and run by its SHA-1."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

#: A line that is replaced by another .lua file of ledger/scripts: Redis' Lua has no modules.
_INCLUDE = re.compile(r"^--@include (\w+)\n", re.MULTILINE)

_PACKAGE = "ledger.scripts"

Argument = str | bytes | float


@cache
def source(name: str, package: str = _PACKAGE) -> str:
    """The text of `name`.lua of `package`, with its includes."""
    text = files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda match: source(match[1]), text)


def flatten(rows: Iterable[tuple[Argument, ...]]) -> Iterator[Argument]:
    """The arguments of all rows, one after the other."""
    return chain.from_iterable(rows)


class Script:
    """One script on one client. Calls raise RedisError or OSError."""

    def __init__(self, redis: Redis, name: str, package: str = _PACKAGE) -> None:
        self._redis = redis
        self._load_and_run = redis.register_script(source(name, package))
        self.sha = self._load_and_run.sha

    async def __call__(self, *args: Argument, piggyback: "Piggyback | None" = None) -> Any:
        """Run the script. `piggyback` is sent in the same write, unless it has its reply already."""
        if piggyback is not None and not piggyback.reply.done():
            return await self._together(args, piggyback)
        try:
            return await self._redis.evalsha(self.sha, 0, *args)
        except NoScriptError:  # first use, restart, SCRIPT FLUSH
            return await self._load_and_run(args=args)

    async def _together(self, args: tuple[Argument, ...], piggyback: "Piggyback") -> Any:
        # By hand: redis-py's own pipeline sends SCRIPT EXISTS before each execution.
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.evalsha(self.sha, 0, *args)
        pipeline.evalsha(piggyback.script.sha, 0, *piggyback.arguments)
        try:
            reply, other = await pipeline.execute(raise_on_error=False)
        except BaseException as error:
            piggyback.fail(error)
            raise
        if isinstance(other, Exception):
            piggyback.fail(other)
        else:
            piggyback.reply.set_result(other)
        if isinstance(reply, NoScriptError):
            return await self(*args)
        if isinstance(reply, Exception):
            raise reply
        return reply


@dataclass(eq=False, slots=True)
class Piggyback:
    """A second script that is sent in the same write as another one: Redis runs both, then syncs its append-only file
    once.
    """

    script: Script
    arguments: tuple[Argument, ...]
    reply: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def answer(self) -> Any:
        """Wait for the second script's own reply, whether or not the first one failed. Raises RedisError or OSError."""
        try:
            # Shielded: a caller that stops waiting must not cancel the reply to a script that was sent.
            return await asyncio.shield(self.reply)
        except NoScriptError:
            return await self.script(*self.arguments)

    def fail(self, error: BaseException) -> None:
        """No reply. A cancellation concerns the first script's caller only; this one gets a connection error."""
        self.reply.set_exception(error if isinstance(error, Exception) else RedisConnectionError("not sent"))
