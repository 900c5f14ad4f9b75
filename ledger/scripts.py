"""Lua scripts, read once from the files beside this one."""

import asyncio
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

#: A line that stands for another file of the ledger's: Redis' Lua has no modules.
_INCLUDE = re.compile(r"^--@include (\w+)\n", re.MULTILINE)


@cache
def source(name: str, package: str = "ledger") -> str:
    text = files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda match: source(match[1]), text)


Argument = str | bytes | float


class Script:
    """One script on one client: EVALSHA, and the text again after a restart or SCRIPT FLUSH of Redis."""

    def __init__(self, redis: Redis, name: str, package: str = "ledger") -> None:
        self._redis = redis
        self._text = source(name, package)
        self._sha: str | None = None

    async def __call__(self, *args: Argument, beside: "Beside | None" = None) -> Any:
        """Run it. With `beside`, that travels in the same write, unless it did before."""
        if beside is not None and not beside.reply.done():
            return await self._together(args, beside)
        try:
            return await self._redis.evalsha(await self.loaded(), 0, *args)
        except NoScriptError:
            return await self.in_full(*args)

    async def in_full(self, *args: Argument) -> Any:
        """Run it by its text, which Redis keeps from then on: for one that it does not know any more."""
        return await self._redis.eval(self._text, 0, *args)

    async def loaded(self) -> str:
        """Its SHA-1, once Redis was given the text."""
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
    """A script that travels in the same write as another one: Redis runs both, and then syncs its file, once.

    `answer` is what came of it, whatever came of the other one.
    """

    script: Script
    arguments: tuple[Argument, ...]
    reply: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def answer(self) -> Any:
        """Wait for what came of it."""
        try:
            # Whoever gives up takes nothing from the one that is out.
            return await asyncio.shield(self.reply)
        except NoScriptError:
            return await self.script.in_full(*self.arguments)

    def failed(self, error: BaseException) -> None:
        # Who waits for this one was not cancelled with the other.
        self.reply.set_exception(error if isinstance(error, Exception) else RedisConnectionError("not sent"))
