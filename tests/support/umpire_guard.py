"""What the guard's tests share: settings of a test's own, a recording observer, processes that share a rate limit."""

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any

from contracts.enums import LLMProviderType
from contracts.settings import PROVIDER_CLASSES, BreakerSettings, MockSettings, RetrySettings, Settings, WorkerSettings
from devtools.servers import ROOT
from guard.limits import make_limiter
from ledger.redis.connection import connect
from telemetry.observer import Note

MOCK = LLMProviderType.MOCK


class Notes(list[Note]):
    """An observer that remembers."""

    def __call__(self, note: Note, /) -> None:
        self.append(note)

    def named(self, what: str) -> list[Note]:
        return [note for note in self if note.what == what]


def breaker_settings(*, attempts: int = 3, **breaker: Any) -> Settings:
    named = {f"breaker_{name}": value for name, value in breaker.items()}
    return Settings(breaker=BreakerSettings(**named), retry=RetrySettings(retry_attempts=attempts))


def limit_settings(*, rpm: int | None = None, tpm: int | None = None, longest: float = 5.0) -> Settings:
    providers = {provider: cls() for provider, cls in PROVIDER_CLASSES.items()}
    providers[MOCK] = MockSettings(rpm=rpm, tpm=tpm)
    return Settings(providers=providers, worker=WorkerSettings(rate_wait_seconds=longest))


def grants_of_processes(url: str, processes: int, **plan: Any) -> list[float]:
    """Sorted times (wall clock, one machine) at which that many processes were allowed to start a call.

    The plan: rpm, tpm, tokens, longest; and `each` reservations a process made as fast as they come, or `seconds` of
    `callers` that wait for each grant before they ask again.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, json.dumps({"url": url, **plan})]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(processes)]
    grants: list[float] = []
    for process in started:
        output, _ = process.communicate(timeout=110)
        assert process.returncode == 0
        grants += json.loads(output)
    return sorted(grants)


def most_within(times: list[float], seconds: float) -> int:
    """Most of the sorted times in any half-open window of that length."""
    most, first = 0, 0
    for last, end in enumerate(times):
        while times[first] <= end - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


async def _take(plan: dict[str, Any]) -> list[float]:
    redis = connect(plan["url"], timeout=10.0)
    settings = limit_settings(rpm=plan.get("rpm"), tpm=plan.get("tpm"), longest=plan["longest"])
    limiter = make_limiter(redis, MOCK, settings)
    grants: list[float] = []

    async def ask() -> float:
        reservation = await limiter.reserve("m", plan.get("tokens", 0))
        if reservation.granted:
            grants.append(time.time() + reservation.wait)
        return reservation.wait

    async def caller(until: float) -> None:
        while time.time() < until:
            await asyncio.sleep(await ask())

    if "each" in plan:
        for _ in range(plan["each"]):
            await ask()
    else:
        until = time.time() + plan["seconds"]
        await asyncio.gather(*(caller(until) for _ in range(plan["callers"])))
    await redis.aclose()
    return grants


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_take(json.loads(sys.argv[1])))))  # noqa: T201 - its output is its answer
