"""Providers with limits and worker processes that call them, in simulated time."""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from guard.adaptive.controller import Controller, Process, allocations
from guard.adaptive.header_rate import HeaderLimit
from guard.adaptive.local import Allocation, CallCounts, LocalLimiter
from guard.slow_start import SlowStart

UPDATE_SECONDS = 0.25


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Upstream:
    """What it refuses: above `most` in flight, above a bucket's rate (a second) and burst, and a share at random."""

    seconds: float = 1.0
    jitter: float = 0.0
    most: float = math.inf
    rate: float = math.inf
    burst: float = 0.0
    window: bool = False
    announces: bool = False
    at_random: float = 0.0
    retry_after: float = 0.0
    in_flight: int = 0
    level: float = math.nan
    at: float = 0.0

    def anew(self, **changes: Any) -> "Upstream":
        return replace(self, in_flight=0, level=math.nan, at=0.0, **changes)

    def asks(self, now: float) -> bool:
        """A call comes: whether it is let in."""
        if self.window:
            if math.isnan(self.level) or now // 60 != self.at // 60:
                self.level = self.rate * 60
        elif math.isnan(self.level):
            self.level = self.burst
        else:
            self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        return self.in_flight < self.most and (self.rate == math.inf or self.level >= 1)

    def headers(self, now: float) -> HeaderLimit | None:
        if not self.announces:
            return None
        reset = 60 - now % 60 if self.window else (self.burst - self.level) / self.rate
        return HeaderLimit(limit=self.rate * 60, remaining=math.floor(self.level), reset=math.ceil(reset))


class World:
    def __init__(
        self,
        upstream: Upstream,
        processes: int = 1,
        slots: int = 64,
        *,
        adaptive: bool = True,
        own: float = 0.004,
        offered: float = math.inf,
        seed: int = 7,
        attempts: int = 3,
    ) -> None:
        """`own`: seconds that a process takes with each answer before it starts the next call."""
        self.clock = Clock()
        self.chance = random.Random(seed)
        self.upstream = upstream
        self.adaptive = adaptive
        self.own = own
        self.calls: list[tuple[float, bool]] = []
        """When each ended, and whether it was answered."""
        self.control = Controller()
        self.counts = CallCounts()
        self.headers: HeaderLimit | None = None
        self.updated = self.clock.now
        self._count = itertools.count()
        self._todo: list[tuple[float, int, Callable[[], None]]] = []
        self.processes = [SimProcess(self, slots) for _ in range(processes)]
        for i, process in enumerate(self.processes):
            self.after(0.01 + i * UPDATE_SECONDS / processes, process.update)

    def good(self, start: float, end: float) -> float:
        """Answers a second between these seconds from the beginning."""
        return sum(self._between(start, end)) / (end - start)

    def refused(self, start: float, end: float) -> float:
        """Share of the calls."""
        those = self._between(start, end)
        return 1 - sum(those) / len(those)

    def _between(self, start: float, end: float) -> list[bool]:
        return [ok for at, ok in self.calls if start <= at - Clock.now < end]

    def remove(self) -> None:
        """One of the processes ends: its calls first, then its share."""
        ending = self.processes[-1]
        ending.ended = True
        self.after(2 * self.upstream.seconds, lambda: self.processes.remove(ending))

    def after(self, wait: float, step: Callable[[], None]) -> None:
        heapq.heappush(self._todo, (self.clock.now + wait, next(self._count), step))

    def run(self, seconds: float) -> "World":
        until = self.clock.now + seconds
        while self._todo and self._todo[0][0] < until:
            self.clock.now, _, step = heapq.heappop(self._todo)
            step()
        self.clock.now = until
        return self

    def call(self, done: Callable[[bool, HeaderLimit | None], None]) -> None:
        now = self.clock.now
        upstream = self.upstream
        ok = upstream.asks(now)
        if ok and self.chance.random() < upstream.at_random:
            ok = False
        if not ok:
            self.calls.append((now, False))
            self.after(0.003, lambda: done(False, None))
            return
        if upstream.rate < math.inf:
            upstream.level -= 1
        upstream.in_flight += 1
        seconds = max(0.001, upstream.seconds * (1 + upstream.jitter * self.chance.gauss(0, 1)))
        headers = upstream.headers(now)

        def end() -> None:
            upstream.in_flight -= 1
            self.calls.append((self.clock.now, True))
            self.after(self.chance.expovariate(1 / self.own), lambda: done(True, headers))

        self.after(seconds, end)


class SimProcess:
    def __init__(self, world: World, slots: int) -> None:
        self.world = world
        self.slots = slots
        self.taken = 0
        self.resting = 0
        self.pace = SlowStart(slots, 120, world.clock)
        self.limiter = LocalLimiter(slots, world.clock)
        if not world.adaptive:
            self.limiter.follow(Allocation(slots, slots))
        self.waiting: deque[Callable[[int], None]] = deque()
        self.timer = math.inf
        self.calls = 0
        self.ended = False
        self.fill()

    def fill(self) -> None:
        while not self.ended and self.taken < min(self.slots, self.limiter.capacity() + self.resting):
            self.taken += 1
            self.world.after(0.001, lambda: self.admit(1))

    def admit(self, attempt: int) -> None:
        wait, given = self.pace.turn(), self.pace.round
        if wait:
            self.world.after(wait, lambda: self.enter(attempt) if self.pace.round == given else self.admit(attempt))
        else:
            self.enter(attempt)

    def enter(self, attempt: int) -> None:
        wait = 1.0 if self.waiting else self.limiter.wait()
        if not wait:
            self.go(self.limiter.start(), attempt)
            return
        self.limiter.waits()
        self.waiting.append(lambda level: self.go(level, attempt))
        self.wake()

    def wake(self) -> None:
        while self.waiting:
            wait = self.limiter.wait()
            if wait:
                if wait < math.inf and self.world.clock.now + wait < self.timer - 0.001:
                    self.timer = self.world.clock.now + wait
                    self.world.after(wait, self.ring)
                break
            self.waiting.popleft()(self.limiter.start())
        self.fill()

    def ring(self) -> None:
        if self.world.clock.now >= self.timer:
            self.timer = math.inf
            self.wake()

    def go(self, level: int, attempt: int) -> None:
        self.calls += 1
        began, probing = self.world.clock.now, self.limiter.probes(level)

        def done(ok: bool, headers: HeaderLimit | None) -> None:
            self.limiter.end(level, refused=not ok and self.world.adaptive)
            if headers:
                self.world.headers = headers
            if ok:
                self.limiter.answered(self.world.clock.now - began, 100)
                self.finish()
            else:
                after = self.world.upstream.retry_after
                if not probing:
                    self.pace.refused(began, after)
                if attempt < 3:
                    self.resting += 1
                    wait = max(
                        self.world.chance.random() * 0.5 * 2 ** (attempt - 1),
                        after * (1 + 0.1 * self.world.chance.random()),
                    )
                    self.world.after(wait, lambda: self.again(attempt + 1))
                else:
                    self.finish()
            self.wake()

        self.world.call(done)

    def again(self, attempt: int) -> None:
        self.resting -= 1
        self.admit(attempt)

    def finish(self) -> None:
        def ended() -> None:
            self.taken -= 1
            self.fill()

        self.world.after(0.003, ended)

    @property
    def fleet(self) -> list[Process]:
        return [Process(p.slots, p.limiter.limit, bool(p.taken)) for p in self.world.processes]

    def update(self) -> None:
        world = self.world
        if not world.adaptive or self not in world.processes:
            return
        world.after(UPDATE_SECONDS, self.update)
        counts = self.limiter.report(UPDATE_SECONDS)
        for name in CallCounts.__slots__:
            setattr(world.counts, name, getattr(world.counts, name) + getattr(counts, name))
        now = world.clock.now
        if now - world.updated >= UPDATE_SECONDS - 0.001:
            fleet = self.fleet
            world.control.update(world.counts, (world.headers, None), fleet, now, now - world.updated)
            world.counts, world.headers, world.updated = CallCounts(), None, now
        if world.control.concurrency.limit:
            mine = allocations(world.control, self.fleet, now)[world.processes.index(self)]
            self.limiter.follow(mine)
        self.wake()
