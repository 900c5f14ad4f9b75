"""A run: starts the stack, submits at a steady rate, makes the faults, and waits until all events have arrived."""

import asyncio
import json
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from chaos.client import TOPICS, Client
from chaos.faults import Fault
from chaos.inbox import Inbox
from chaos.journal import CLIENT, KAFKA, RUN, Journal
from chaos.redeliveries import Redeliveries
from chaos.schedule import Step, schedule
from chaos.stack import Stack
from chaos.timing import Timing

#: Seconds after the last submission within which all accepted requests must have an event.
SETTLE_SECONDS = 180.0


@dataclass(frozen=True)
class Form:
    comparisons: int
    rate: float
    """Submissions a second."""
    kinds: list[Fault]
    timing: Timing
    tree: Path


class Run:
    def __init__(self, out: Path, seed: int, form: Form) -> None:
        self._seed = seed
        self._form = form
        self._stack = Stack(out, form.tree, seed, form.timing)
        answers = Journal(out / CLIENT)
        self._client = Client(self._stack.url, self._stack.keys, seed, answers)
        self._inbox = Inbox(self._stack.kafka.bootstrap, TOPICS, Journal(out / KAFKA))
        self._redeliveries = Redeliveries(
            self._stack.url, self._stack.keys, self._client.owners, self._inbox.answered, seed, answers
        )
        self._out = out
        self._began = time.time()

    async def __call__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it runs in one
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            say("starting Redis, Kafka, an API of 2 processes, 3 workers and the upstream …")
            await self._stack.start()
            self._inbox.start()
            self._began = time.time()
            run = {"seed": self._seed, "started": self._began, "timing": vars(self._form.timing)}
            (self._out / RUN).write_text(json.dumps(run))
            say(f"started; {self._form.comparisons} comparisons at {self._form.rate:g}/s")
            progress = asyncio.create_task(self._progress())
            faults = asyncio.create_task(
                self._break_things(schedule(self._seed, self._form.kinds, self._form.timing.pauses))
            )
            again = asyncio.create_task(self._redeliveries.run()) if self._stack.redelivers else None
            await self._submit(faults)
            await faults
            if again is not None:
                self._redeliveries.stopping = True
                await again
            await self._settle()
            progress.cancel()
            self._stack.journal.write(kind="left", **self._stack.left_in_redis())
            self._stack.journal.write(kind="books", **self._stack.books())
            await self._stack.stop()
        finally:
            self._inbox.stop()
            await self._client.close()
            await self._redeliveries.close()
            self._stack.discard()

    async def _submit(self, faults: asyncio.Task[None]) -> None:
        """Submit at a steady rate until enough requests were accepted and all faults are over."""
        running: set[asyncio.Task[None]] = set()

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            if not task.cancelled() and task.exception():
                failed.append(task)

        failed: list[asyncio.Task[None]] = []
        started, number = time.monotonic(), 0
        while len(self._client.accepted) < self._form.comparisons or not faults.done():
            for task in [faults, *failed]:
                if task.done():
                    task.result()  # an error of the suite ends the run
            number += 1
            task = asyncio.create_task(self._client.compare(number))
            running.add(task)
            task.add_done_callback(ended)
            await asyncio.sleep(max(0.0, started + number / self._form.rate - time.monotonic()))
        say(f"{number} submitted; waiting for the last events")
        if running:
            await asyncio.gather(*running)

    async def _break_things(self, steps: list[Step]) -> None:
        rng = random.Random(f"{self._seed}.faults")
        for number, step in enumerate(steps, 1):
            await asyncio.sleep(step.pause)
            name, began = step.fault.__name__.replace("_", " "), time.time()
            say(f"{self._clock()} {number}/{len(steps)} {name} …")
            result = await step.fault(self._stack, rng)
            self._stack.journal.write(kind="fault", fault=name, began=began, ended=time.time(), result=result)
            say(f"{self._clock()} {number}/{len(steps)} {name}: {result}")

    async def _settle(self) -> None:
        """Wait until all accepted requests have an event, and then as long as an event may be sent again."""
        until = time.monotonic() + SETTLE_SECONDS
        while self._missing() and time.monotonic() < until:  # noqa: ASYNC110 - the inbox reads in a thread
            await asyncio.sleep(0.5)
        say(f"{self._clock()} {self._missing()} without an event; waiting for repeated events")
        await asyncio.sleep(self._form.timing.resend + 6)
        while await self._stack.calls_in_progress() and time.monotonic() < until:  # noqa: ASYNC110 - polled over HTTP
            await asyncio.sleep(0.5)

    def _missing(self) -> int:
        return len(self._client.accepted - self._inbox.answered)

    async def _progress(self) -> None:
        while True:
            counts = self._client.outcomes
            line = (
                f"{self._clock()} accepted {len(self._client.accepted)}, delivered {len(self._inbox.answered)}, "
                f"waiting {self._missing()}, refused {counts['refused']}, unknown {counts['unknown']}"
            )
            if sys.stdout.isatty():
                sys.stdout.write(f"\r\x1b[K{line}")
                sys.stdout.flush()
                await asyncio.sleep(0.5)
            else:
                say(line)
                await asyncio.sleep(15)

    def _clock(self) -> str:
        return f"[{time.time() - self._began:6.1f} s]"


def say(line: str) -> None:
    start = "\r\x1b[K" if sys.stdout.isatty() else ""
    sys.stdout.write(f"{start}{line}\n")
    sys.stdout.flush()
