"""The faults. Each coroutine breaks something, repairs it, and returns a short description for the report."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable

from chaos import actions
from chaos.stack import PROVIDERS, Stack

Fault = Callable[[Stack, random.Random], Awaitable[str]]


async def worker_killed(stack: Stack, rng: random.Random) -> str:
    return await actions.hit(actions.one_of(stack.workers, rng), signal.SIGKILL)


async def all_workers_killed(stack: Stack, _: random.Random) -> str:
    """All workers of one provider, so that none is left to take over its requests."""
    parts = [stack.workers[name] for name in ("anthropic-1", "anthropic-2")]
    return ", ".join(await asyncio.gather(*(actions.hit(part, signal.SIGKILL) for part in parts)))


async def worker_stopped(stack: Stack, rng: random.Random) -> str:
    return await actions.hit(actions.one_of(stack.workers, rng), signal.SIGTERM)


async def api_killed(stack: Stack, _: random.Random) -> str:
    """Kill the supervisor; all its processes die with it."""
    return await actions.hit(stack.api, signal.SIGKILL)


async def api_stopped(stack: Stack, _: random.Random) -> str:
    return await actions.hit(stack.api, signal.SIGTERM)


async def api_processes_killed_one_by_one(stack: Stack, rng: random.Random) -> str:
    return await actions.kill_api_processes(stack, rng)


async def redis_frozen_briefly(stack: Stack, rng: random.Random) -> str:
    return await actions.freeze_redis(stack, rng.uniform(0.4, 0.8) * stack.timing.lease)


async def redis_frozen_for_long(stack: Stack, rng: random.Random) -> str:
    """Longer than a lease and shorter than many calls in flight: their leases have lapsed at the end, and their workers
    are alive.
    """
    await actions.slow_calls(stack)
    return await actions.freeze_redis(stack, rng.uniform(1.1, 1.5) * stack.timing.lease)


async def redis_killed(stack: Stack, rng: random.Random) -> str:
    seconds = rng.uniform(0, 1)
    await actions.redis_away(stack, seconds)
    return f"back after {seconds:.1f} s"


async def redis_gone_for_long(stack: Stack, rng: random.Random) -> str:
    """As redis_frozen_for_long, but heartbeats are lost instead of delayed."""
    await actions.slow_calls(stack)
    seconds = rng.uniform(1.1, 1.4) * stack.timing.lease
    await actions.redis_away(stack, seconds)
    return f"back after {seconds:.1f} s"


async def redis_full(stack: Stack, rng: random.Random) -> str:
    with actions.redis_in_trouble(stack, "full"):
        stack.redis.command("CONFIG", "SET", "maxmemory", "1")
        await asyncio.sleep(seconds := rng.uniform(0.4, 0.8) * stack.timing.spell)
        stack.redis.command("CONFIG", "SET", "maxmemory", "0")
    return f"out of memory for {seconds:.1f} s"


async def redis_read_only(stack: Stack, rng: random.Random) -> str:
    with actions.redis_in_trouble(stack, "read-only"):
        stack.redis.command("REPLICAOF", "127.0.0.1", "1")
        await asyncio.sleep(seconds := rng.uniform(0.4, 0.8) * stack.timing.spell)
        stack.redis.command("REPLICAOF", "NO", "ONE")
    return f"read-only for {seconds:.1f} s"


async def spool_survives_api_processes_killed(stack: Stack, rng: random.Random) -> str:
    """Kill both processes, one after the other."""
    victims = await actions.whole_api(stack)
    order = iter(rng.sample([*enumerate(victims, 1)], len(victims)))

    async def hit_api() -> str:
        number, victim = next(order)
        return await actions.kill_api_process(stack, victim, number)

    return await actions.with_requests_in_the_spool(stack, rng, hit_api)


async def spool_survives_api_stopped(stack: Stack, rng: random.Random) -> str:
    return await actions.with_requests_in_the_spool(stack, rng, lambda: actions.hit(stack.api, signal.SIGTERM))


async def worker_killed_while_redis_is_frozen(stack: Stack, rng: random.Random) -> str:
    seconds = rng.uniform(0.5, 1.5) * stack.timing.lease
    with actions.frozen_redis(stack):
        await asyncio.sleep(seconds / 2)
        hit = await actions.hit(actions.one_of(stack.workers, rng), signal.SIGKILL)
        await asyncio.sleep(seconds / 2)
    return f"{hit}, Redis frozen for {seconds:.1f} s"


async def partition(stack: Stack, rng: random.Random) -> str:
    """Partition one worker from everything, for less than its lease."""
    return await actions.cut_off(stack, rng.uniform(0.15, 0.25) * stack.timing.lease)


async def partition_beyond_the_lease(stack: Stack, rng: random.Random) -> str:
    """Not in a schedule: another worker repeats the calls, so they are paid twice."""
    return await actions.cut_off(stack, rng.uniform(1.5, 2.0) * stack.timing.lease)


async def worker_frozen_beyond_its_lease(stack: Stack, rng: random.Random) -> str:
    """Not in a schedule, for the same reason."""
    part = actions.one_of(stack.workers, rng)
    began, alias = time.time(), part.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds := rng.uniform(1.5, 2.0) * stack.timing.lease)
    part.signal(signal.SIGCONT)
    stack.journal.write(kind="absence", part=alias, how="frozen", began=began, ended=time.time())
    return f"{alias} for {seconds:.1f} s"


async def kafka_down(stack: Stack, rng: random.Random) -> str:
    """For a minute. Meanwhile a worker is killed whose results were not delivered."""
    return await actions.take_kafka_down(stack, rng, 60)


async def kafka_down_briefly(stack: Stack, rng: random.Random) -> str:
    return await actions.take_kafka_down(stack, rng, 5)


async def overloaded(stack: Stack, rng: random.Random) -> str:
    """Both providers answer every call with 529."""
    return await actions.misbehave(stack, rng.uniform(25, 35), PROVIDERS, overloaded=1)


async def overloaded_briefly(stack: Stack, rng: random.Random) -> str:
    return await actions.misbehave(stack, stack.timing.spell, (rng.choice(PROVIDERS),), overloaded=1)


async def key_rejected(stack: Stack, rng: random.Random) -> str:
    """One provider answers every call with 401 for a time. No request may fail."""
    seconds = stack.timing.key_rejected
    provider = rng.choice(PROVIDERS)
    began = time.time()
    result = await actions.misbehave(stack, seconds, (provider,), rejected=1)
    stack.journal.write(kind="rejected", provider=provider, began=began, ended=time.time())
    return result


async def disconnects(stack: Stack, rng: random.Random) -> str:
    return await actions.misbehave(stack, actions.spell(stack, rng), (rng.choice(PROVIDERS),), drop=0.15, cut=0.15)


async def malformed_bodies(stack: Stack, rng: random.Random) -> str:
    return await actions.misbehave(
        stack, actions.spell(stack, rng), PROVIDERS, malformed=0.15, wrong=0.1, truncated=0.1
    )


async def errors_and_limits(stack: Stack, rng: random.Random) -> str:
    return await actions.misbehave(stack, actions.spell(stack, rng), (rng.choice(PROVIDERS),), error=0.2, limited=0.2)


async def late_and_hanging(stack: Stack, rng: random.Random) -> str:
    return await actions.misbehave(stack, actions.spell(stack, rng), (rng.choice(PROVIDERS),), late=0.15, hang=0.05)
