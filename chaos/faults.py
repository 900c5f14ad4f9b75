"""The faults. Each is a coroutine that breaks something, mends it, and returns what it did in a few words."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable

from chaos import means
from chaos.stack import PROVIDERS, Stack

Fault = Callable[[Stack, random.Random], Awaitable[str]]


async def worker_killed(stack: Stack, rng: random.Random) -> str:
    return await means.hit(means.one_of(stack.workers, rng), signal.SIGKILL)


async def all_workers_killed(stack: Stack, _: random.Random) -> str:
    """Of one provider: nobody is left to take over at once."""
    parts = [stack.workers[name] for name in ("anthropic-1", "anthropic-2")]
    return ", ".join(await asyncio.gather(*(means.hit(part, signal.SIGKILL) for part in parts)))


async def worker_stopped(stack: Stack, rng: random.Random) -> str:
    return await means.hit(means.one_of(stack.workers, rng), signal.SIGTERM)


async def api_killed(stack: Stack, _: random.Random) -> str:
    """The supervisor, and with it all of its processes."""
    return await means.hit(stack.api, signal.SIGKILL)


async def api_stopped(stack: Stack, _: random.Random) -> str:
    return await means.hit(stack.api, signal.SIGTERM)


async def api_processes_killed_one_by_one(stack: Stack, rng: random.Random) -> str:
    return await means.kill_api_processes(stack, rng)


async def redis_frozen_briefly(stack: Stack, rng: random.Random) -> str:
    return await means.freeze_redis(stack, rng.uniform(0.4, 0.8) * stack.timing.lease)


async def redis_frozen_for_long(stack: Stack, rng: random.Random) -> str:
    """Longer than a lease, and shorter than many calls that are in flight: their leases have lapsed when it thaws, and
    their workers live.
    """
    await means.slow_calls(stack)
    return await means.freeze_redis(stack, rng.uniform(1.1, 1.5) * stack.timing.lease)


async def redis_killed(stack: Stack, rng: random.Random) -> str:
    seconds = rng.uniform(0, 1)
    await means.redis_away(stack, seconds)
    return f"back after {seconds:.1f} s"


async def redis_gone_for_long(stack: Stack, rng: random.Random) -> str:
    """As above; and no heartbeat waits in a socket for its return."""
    await means.slow_calls(stack)
    seconds = rng.uniform(1.1, 1.4) * stack.timing.lease
    await means.redis_away(stack, seconds)
    return f"back after {seconds:.1f} s"


async def redis_full(stack: Stack, rng: random.Random) -> str:
    with means.redis_in_trouble(stack, "full"):
        stack.redis.command("CONFIG", "SET", "maxmemory", "1")
        await asyncio.sleep(seconds := rng.uniform(0.4, 0.8) * stack.timing.spell)
        stack.redis.command("CONFIG", "SET", "maxmemory", "0")
    return f"out of memory for {seconds:.1f} s"


async def redis_read_only(stack: Stack, rng: random.Random) -> str:
    with means.redis_in_trouble(stack, "read-only"):
        stack.redis.command("REPLICAOF", "127.0.0.1", "1")
        await asyncio.sleep(seconds := rng.uniform(0.4, 0.8) * stack.timing.spell)
        stack.redis.command("REPLICAOF", "NO", "ONE")
    return f"read-only for {seconds:.1f} s"


async def spool_survives_api_processes_killed(stack: Stack, rng: random.Random) -> str:
    """Both, one after the other."""
    victims = await means.whole_api(stack)
    order = iter(rng.sample([*enumerate(victims, 1)], len(victims)))

    async def hit_api() -> str:
        number, victim = next(order)
        return await means.kill_api_process(stack, victim, number)

    return await means.with_requests_in_the_spool(stack, rng, hit_api)


async def spool_survives_api_stopped(stack: Stack, rng: random.Random) -> str:
    return await means.with_requests_in_the_spool(stack, rng, lambda: means.hit(stack.api, signal.SIGTERM))


async def worker_killed_while_redis_is_frozen(stack: Stack, rng: random.Random) -> str:
    seconds = rng.uniform(0.5, 1.5) * stack.timing.lease
    with means.frozen_redis(stack):
        await asyncio.sleep(seconds / 2)
        hit = await means.hit(means.one_of(stack.workers, rng), signal.SIGKILL)
        await asyncio.sleep(seconds / 2)
    return f"{hit}, Redis frozen for {seconds:.1f} s"


async def partition(stack: Stack, rng: random.Random) -> str:
    """One worker is cut off from all others, for less than its lease."""
    return await means.cut_off(stack, rng.uniform(0.15, 0.25) * stack.timing.lease)


async def partition_beyond_the_lease(stack: Stack, rng: random.Random) -> str:
    """Not in a schedule: what the worker was paid for meanwhile is paid again by another."""
    return await means.cut_off(stack, rng.uniform(1.5, 2.0) * stack.timing.lease)


async def worker_frozen_beyond_its_lease(stack: Stack, rng: random.Random) -> str:
    """Not in a schedule, as above."""
    part = means.one_of(stack.workers, rng)
    began, alias = time.time(), part.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds := rng.uniform(1.5, 2.0) * stack.timing.lease)
    part.signal(signal.SIGCONT)
    stack.book.write(kind="absence", part=alias, how="frozen", began=began, ended=time.time())
    return f"{alias} for {seconds:.1f} s"


async def kafka_down(stack: Stack, rng: random.Random) -> str:
    """For a minute; a worker dies meanwhile, whose results nobody was told."""
    return await means.take_kafka_down(stack, rng, 60)


async def kafka_down_briefly(stack: Stack, rng: random.Random) -> str:
    return await means.take_kafka_down(stack, rng, 5)


async def overloaded(stack: Stack, rng: random.Random) -> str:
    """529 to every call, of both providers."""
    return await means.misbehave(stack, rng.uniform(25, 35), PROVIDERS, overloaded=1)


async def overloaded_briefly(stack: Stack, rng: random.Random) -> str:
    return await means.misbehave(stack, stack.timing.spell, (rng.choice(PROVIDERS),), overloaded=1)


async def key_rejected(stack: Stack, rng: random.Random) -> str:
    """401 to every call of one provider, until its key is mended. No request may fail for it."""
    seconds = stack.timing.key_rejected
    provider = rng.choice(PROVIDERS)
    began = time.time()
    told = await means.misbehave(stack, seconds, (provider,), rejected=1)
    stack.book.write(kind="rejected", provider=provider, began=began, ended=time.time())
    return told


async def disconnects(stack: Stack, rng: random.Random) -> str:
    return await means.misbehave(stack, means.spell(stack, rng), (rng.choice(PROVIDERS),), drop=0.15, cut=0.15)


async def malformed_bodies(stack: Stack, rng: random.Random) -> str:
    return await means.misbehave(stack, means.spell(stack, rng), PROVIDERS, malformed=0.15, wrong=0.1, truncated=0.1)


async def errors_and_limits(stack: Stack, rng: random.Random) -> str:
    return await means.misbehave(stack, means.spell(stack, rng), (rng.choice(PROVIDERS),), error=0.2, limited=0.2)


async def late_and_hanging(stack: Stack, rng: random.Random) -> str:
    return await means.misbehave(stack, means.spell(stack, rng), (rng.choice(PROVIDERS),), late=0.15, hang=0.05)
