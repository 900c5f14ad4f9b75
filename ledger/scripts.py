"""Lua scripts, each read once from a .lua file of its package."""

import asyncio
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

#: A line that is replaced by another .lua file of ledger/: Redis' Lua has no modules.
_INCLUDE = re.compile(r"^--@include (\w+)\n", re.MULTILINE)


@cache
def source(name: str, package: str = "ledger") -> str:
    text = files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda match: source(match[1]), text)


Argument = str | bytes | float


class Script:
    """One script on one client: EVALSHA, or its text (EVAL) if Redis has forgotten it (restart, SCRIPT FLUSH)."""

    def __init__(self, redis: Redis, name: str, package: str = "ledger") -> None:
        self._redis = redis
        self._text = source(name, package)
        self._sha: str | None = None

    async def __call__(self, *args: Argument, beside: "Beside | None" = None) -> Any:
        """Run the script. `beside` is sent in the same write, unless it already has its reply."""
        if beside is not None and not beside.reply.done():
            return await self._together(args, beside)
        try:
            return await self._redis.evalsha(await self.loaded(), 0, *args)
        except NoScriptError:
            return await self.in_full(*args)

    async def in_full(self, *args: Argument) -> Any:
        """Run the script by its text, when Redis does not know its SHA-1 any more. Redis remembers it afterwards."""
        return await self._redis.eval(self._text, 0, *args)

    async def loaded(self) -> str:
        """The script's SHA-1. The first call loads the script into Redis."""
        if self._sha is None:
            self._sha = await self._redis.script_load(self._text)
        return self._sha

    async def _together(self, args: tuple[Argument, ...], beside: "Beside") -> Any:
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.evalsha(await self.loaded(), 0, *args)
            pipeline.evalsha(await beside.script.loaded(), 0, *beside.arguments)
            reply, other = await pipeline.execute(raise_on_error=False)
        except BaseException as error:
            beside.failed(error)
            raise
        if isinstance(other, Exception):
            beside.failed(other)
        else:
            beside.reply.set_result(other)
        if isinstance(reply, NoScriptError):
            return await self.in_full(*args)
        if isinstance(reply, Exception):
            raise reply
        return reply


@dataclass(eq=False, slots=True)
class Beside:
    """A second script sent in the same write as another one: Redis runs both, then syncs its append-only file once.

    `answer` returns its own reply, whether or not the other script failed.
    """

    script: Script
    arguments: tuple[Argument, ...]
    reply: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def answer(self) -> Any:
        """Wait for its reply. If Redis did not know the script, run it alone, by its text."""
        try:
            # Shielded: a caller that stops waiting must not cancel the reply to a script already sent.
            return await asyncio.shield(self.reply)
        except NoScriptError:
            return await self.script.in_full(*self.arguments)

    def failed(self, error: BaseException) -> None:
        # A cancellation concerns the other script's caller only; this one's gets a connection error instead.
        self.reply.set_exception(error if isinstance(error, Exception) else RedisConnectionError("not sent"))
