"""One provider in trouble, another at a steady rate beside it: what does the other one feel?

Phases without and with the trouble alternate on one stack, so that a machine's drift is in both. The trouble: every
call fails; every call hangs until its timeout, with all slots; thousands of a higher priority wait. Each time it is
seen, too, where the backlog lies (in Redis, not in a worker), and that it drains by itself once the trouble is over.
"""

import asyncio
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from redis import Redis

from benchmarks import cpu
from benchmarks.events import Events, Stuck
from benchmarks.load import run_load
from benchmarks.stack import Servers
from benchmarks.tools import Tools
from contracts.enums import LLMProviderType
from contracts.queues import list_names, queue_name
from devtools.providers import KEY, PATHS, body_of
from devtools.upstream import Connection, answer, upstream

TROUBLED = LLMProviderType.OPENAI
SLOTS, THREADS = 64, 4
RATE, SECONDS, UPSTREAM_MS = 50.0, 8, 200.0
#: With and without, so often.
PAIRS = 3
WARM_UP = 150
_DRAIN_SECONDS = 180.0
#: A probe may be under way, and the pointers that a closing gate caught go back within a moment.
_GATE_SECONDS = 10.0


@dataclass(frozen=True)
class Trouble:
    backlog: int
    #: What the provider does meanwhile: `fail`, `hang` or `slow` (1 s).
    does: str
    priority: int = 0
    breaker_failures: int = 5


TROUBLES = {
    "fails": Trouble(2_000, "fail"),
    # The breaker would close the gate after the first timeouts: without it, all slots hang all the time.
    "hangs": Trouble(2_000, "hang", breaker_failures=1_000_000),
    "backlog": Trouble(3_000, "slow", priority=10),
}

_ANSWERS = {
    "well": answer(200, body_of(TROUBLED)),
    "slow": answer(200, body_of(TROUBLED)),
    "fail": answer(500, {"error": {"type": "server_error", "message": "no"}}),
}
_KEYS = ("p50_ms", "p95_ms")
_SLEEPS = {"slow": 1.0, "hang": 3600.0}


def fairness(servers: Servers, tools: Tools) -> dict[str, Any]:
    return {name: _one(servers, tools, trouble) for name, trouble in TROUBLES.items()}


def _one(servers: Servers, tools: Tools, trouble: Trouble) -> dict[str, Any]:
    servers.reset(UPSTREAM_MS)
    found: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
    drained, cores = list[float](), list[float]()
    with _provider() as provider, servers.consumer() as (topic, events, _), Redis.from_url(servers.redis.url) as redis:
        settings = {
            "UMPIRE_DEFAULT_PROVIDER": "anthropic",
            "UMPIRE_OPENAI_API_KEY": KEY,
            "UMPIRE_OPENAI_BASE_URL": provider.url + PATHS[TROUBLED.value],
            "UMPIRE_OPENAI_CONCURRENCY": str(SLOTS),
            "UMPIRE_TEST_WORKER_THREADS": str(THREADS),
            "UMPIRE_CALL_DEADLINE_SECONDS": "5",
            "UMPIRE_RETRY_ATTEMPTS": "1",
            "UMPIRE_TEST_DEFER_SECONDS": "2",
            "UMPIRE_QUEUE_MAX_RETRIES": "1000",
            "UMPIRE_BREAKER_FAILURES": str(trouble.breaker_failures),
            "UMPIRE_BREAKER_RECOVERY_SECONDS": "2",
            # So that what went well in the phase before does not speak for the provider in this one.
            "UMPIRE_TEST_BREAKER_WINDOW_SECONDS": "5",
        }
        with (
            servers.api(SLOTS, **settings) as (url, api),
            servers.worker(SLOTS, **settings) as well,
            servers.worker(SLOTS, TROUBLED.value, **settings) as ill,
        ):
            phase = _Phase(servers, tools, url, topic, events)
            phase.measure(WARM_UP)
            for _ in range(PAIRS):
                found["without"].append(phase.measure())
                provider.does = trouble.does
                other = f"{topic}.troubled"
                fields = {"llm_config_overrides": {"provider_override": TROUBLED.value}, "priority": trouble.priority}
                sent = run_load(tools, url, other, servers.folder, n=trouble.backlog, connections=16, fields=fields)
                sent.all_accepted(trouble.backlog)
                began, before = time.monotonic(), cpu.read({"ill": ill.pid})
                found["with"].append(phase.measure())
                cores.append((cpu.read({"ill": ill.pid})["ill"] - before["ill"]) / (time.monotonic() - began))
                _lies_in_redis(redis, trouble)
                provider.does = "well"
                drained.append(_drain(redis))
                servers.check_alive(api, well, ill)
    return {
        **{
            name: {key: statistics.median(one[key] for one in phases) for key in _KEYS}
            for name, phases in found.items()
        },
        # Of neighbours: what the machine did to both cancels.
        **{
            f"{key}_ratio": statistics.median(
                beside[key] / alone[key] for alone, beside in zip(found["without"], found["with"], strict=True)
            )
            for key in _KEYS
        },
        "troubled_cores": max(cores),
        "drained_seconds": max(drained),
    }


@dataclass
class _Phase:
    servers: Servers
    tools: Tools
    url: str
    topic: str
    events: Events

    def measure(self, count: int = int(RATE * SECONDS)) -> dict[str, float]:
        """Milliseconds from when a request was due to its event, at a fixed rate."""
        before = self.events.distinct
        sent = run_load(self.tools, self.url, self.topic, self.servers.folder, n=count, connections=64, rate=RATE)
        sent.all_accepted(count)
        self.events.wait(before + count, 60, lambda: None)
        took = sorted((self.events.arrived[one] - start) / 1e6 for one, start in sent.started.items())
        return dict(zip(_KEYS, (took[len(took) // 2], took[len(took) * 95 // 100]), strict=True))


def _lies_in_redis(redis: Redis, trouble: Trouble) -> None:
    """Raises Stuck. A worker holds what has a slot, and a few pointers; nothing while its gate is closed."""
    held = 0 if trouble.does == "fail" else SLOTS
    until = time.monotonic() + _GATE_SECONDS
    while True:
        queued, deferred = (redis.zcard(f"umpire:{state}:{TROUBLED.value}") for state in ("queued", "deferred"))
        fetched = queued - sum(redis.llen(name) for name in list_names(queue_name(TROUBLED)))
        leased = redis.zcard("umpire:leases")
        if queued + deferred and leased <= held and fetched <= (2 * THREADS if held else 0):
            return
        if time.monotonic() > until:
            raise Stuck(f"{queued} queued, {deferred} deferred; {leased} leased, {fetched} pointers in a worker")
        time.sleep(0.1)


def _drain(redis: Redis) -> float:
    """Seconds until nothing is unfinished any more."""
    started = time.monotonic()
    while left := redis.zcard("umpire:expiry"):
        if time.monotonic() - started > _DRAIN_SECONDS:
            raise Stuck(f"{left} unfinished {_DRAIN_SECONDS:.0f} s after the provider was well again")
        time.sleep(0.1)
    return time.monotonic() - started


class _Provider:
    does = "well"
    url = ""

    async def serve(self, connection: Connection) -> None:
        does = self.does
        if does in _SLEEPS:
            # Whoever hangs hears when the trouble is over; its caller will have gone by then.
            until = time.monotonic() + _SLEEPS[does]
            while time.monotonic() < until and (does != "hang" or self.does == does):
                await asyncio.sleep(min(0.5, until - time.monotonic()))
        with suppress(ConnectionError):
            await _ANSWERS["well" if does == "hang" else does](connection)


@contextmanager
def _provider() -> Iterator[_Provider]:
    """The troubled one, on a loop in a thread of this process."""
    made, started, loop = _Provider(), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        async with upstream(made.serve) as server:
            made.url = server.url
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    started.wait()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
