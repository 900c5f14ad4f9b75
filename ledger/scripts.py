"""Lua scripts, read once from the files beside this one."""

from functools import cache
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError


@cache
def source(name: str, package: str = "ledger") -> str:
    return files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8")


class Script:
    """One script on one client: EVALSHA, and the text again after a restart or SCRIPT FLUSH of Redis."""

    def __init__(self, redis: Redis, name: str, package: str = "ledger") -> None:
        self._redis = redis
        self._text = source(name, package)
        self._sha: str | None = None

    async def __call__(self, *args: str | bytes | float) -> Any:
        if self._sha is None:
            self._sha = await self._redis.script_load(self._text)
        try:
            return await self._redis.evalsha(self._sha, 0, *args)
        except NoScriptError:
            return await self._redis.eval(self._text, 0, *args)
