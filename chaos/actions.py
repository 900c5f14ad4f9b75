"""The actions that faults are made of: breaking a part, and repairing it."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

import psutil

from chaos.part import Part
from chaos.stack import PARTITIONED, PROVIDERS, Stack

#: Seconds before a long freeze during which new calls are slow.
SLOW_SECONDS = 2.0


def one_of(parts: Mapping[str, Part], rng: random.Random) -> Part:
    """A random part that runs, or any if none runs."""
    order = rng.sample(list(parts.values()), len(parts))
    return next((part for part in order if part.is_ready.is_set()), order[0])


async def hit(part: Part, number: signal.Signals) -> str:
    """Send a signal to a part once it runs; the stack restarts it. Returns the part's alias."""
    async with asyncio.timeout(120):
        await part.is_ready.wait()
    return part.signal(number)


@contextmanager
def redis_in_trouble(stack: Stack, how: str) -> Iterator[None]:
    """Record when the trouble began and ended."""
    began = time.time()
    try:
        yield
    finally:
        stack.journal.write(kind="redis", how=how, began=began, ended=time.time())


@contextmanager
def frozen_redis(stack: Stack) -> Iterator[None]:
    with redis_in_trouble(stack, "frozen"):
        stack.redis.pause()
        try:
            yield
        finally:
            stack.redis.resume()


async def freeze_redis(stack: Stack, seconds: float) -> str:
    with frozen_redis(stack):
        await asyncio.sleep(seconds)
    return f"for {seconds:.1f} s, {seconds / stack.timing.lease:.1f} leases"


async def cut_off(stack: Stack, seconds: float) -> str:
    if not stack.network.can_cut:
        return "left out: this machine allows no network namespaces"
    began, alias = time.time(), stack.workers[PARTITIONED].alias
    stack.network.cut()
    try:
        await asyncio.sleep(seconds)
    finally:
        stack.network.join()
    stack.journal.write(kind="absence", part=alias, how="cut off", began=began, ended=time.time())
    return f"{alias} for {seconds:.1f} s, {seconds / stack.timing.lease:.1f} leases"


async def slow_calls(stack: Stack) -> None:
    """Have many slow calls in flight."""
    await stack.misbehave(**{provider: {"slow": 0.5} for provider in PROVIDERS})
    await asyncio.sleep(SLOW_SECONDS)
    await stack.misbehave()


async def redis_away(stack: Stack, seconds: float) -> None:
    with redis_in_trouble(stack, "killed"):
        stack.redis.kill()
        await asyncio.sleep(seconds)
        await asyncio.to_thread(stack.redis.start)


async def kill_api_process(stack: Stack, process: psutil.Process, number: int) -> str:
    """Send SIGKILL; the supervisor starts a successor. `number`: for the report."""
    name = f"{stack.api.alias} process {number}"
    process.kill()
    stack.journal.write(kind="signal", part=name, pid=process.pid, signal=signal.SIGKILL.name)
    return name


async def whole_api(stack: Stack) -> list[psutil.Process]:
    """The API's processes, once all of them answer."""
    async with asyncio.timeout(120):
        await stack.api.is_ready.wait()
        while not await stack.api_is_whole():  # noqa: ASYNC110 - polled over HTTP
            await asyncio.sleep(0.1)
    return stack.api_processes()


async def kill_api_processes(stack: Stack, rng: random.Random) -> str:
    """Kill each process once its predecessor has a successor. Record when one was missing."""
    victims = await whole_api(stack)
    killed, seconds = [], []
    for number, victim in rng.sample([*enumerate(victims, 1)], len(victims)):
        killed.append(await kill_api_process(stack, victim, number))
        began = time.time()
        await whole_api(stack)
        stack.journal.write(kind="api process away", began=began, ended=time.time())
        seconds.append(f"{time.time() - began:.1f} s")
    return f"{', '.join(killed)}; a successor after {', '.join(seconds)}"


async def with_requests_in_the_spool(stack: Stack, rng: random.Random, hit_api: Callable[[], Awaitable[str]]) -> str:
    with redis_in_trouble(stack, "killed"):
        stack.redis.kill()
        await asyncio.sleep(rng.uniform(3, 5))
        alias = await hit_api()
        await asyncio.sleep(2)
        await asyncio.to_thread(stack.redis.start)
    # Again while the spool drains.
    await asyncio.sleep(0.3)
    return f"{alias}, then {await hit_api()} as it drained"


async def take_kafka_down(stack: Stack, rng: random.Random, seconds: float) -> str:
    await asyncio.to_thread(stack.kafka.kill)
    await asyncio.sleep(seconds / 3)
    alias = await hit(one_of(stack.workers, rng), signal.SIGKILL)
    await asyncio.sleep(seconds * 2 / 3)
    await asyncio.to_thread(stack.kafka.start)
    return f"for {seconds:.0f} s; {alias} killed meanwhile"


def spell(stack: Stack, rng: random.Random) -> float:
    return rng.uniform(0.8, 1.2) * stack.timing.spell


async def misbehave(stack: Stack, seconds: float, providers: tuple[str, ...], **rates: float) -> str:
    by_provider: dict[str, Mapping[str, float]] = dict.fromkeys(providers, rates)
    await stack.misbehave(**by_provider)
    try:
        await asyncio.sleep(seconds)
    finally:
        await stack.misbehave()
    shares = ", ".join(f"{name} {share:.0%}" for name, share in rates.items())
    return f"{', '.join(providers)}: {shares} for {seconds:.0f} s"
