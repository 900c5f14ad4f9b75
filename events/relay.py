"""The relay: results from the outbox to Kafka, and Kafka's reports back to the outbox."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from redis.exceptions import RedisError

from contracts.errors import UmpireError
from events.delivery import DeliveryError
from events.headers import Headers, headers_of_value
from events.producer import Publisher
from ledger.outbox import Entry
from telemetry.observer import Level, Note, Observer, silent

Confirm = Callable[[list[bytes]], Awaitable[None]]

#: Reports that arrive within this time are confirmed together. The event itself is out already: nobody waits for it.
_GATHER_SECONDS = 0.01
#: First and longest wait while the ledger does not take a confirmation.
_RETRY_SECONDS = (0.1, 5.0)


class Relay:
    """Belongs to one event loop; `send` and `resend` are called on it."""

    def __init__(
        self,
        publisher: Publisher,
        confirm: Confirm,
        loop: asyncio.AbstractEventLoop,
        observer: Observer = silent,
    ) -> None:
        self._publisher = publisher
        self._confirm = confirm
        self._loop = loop
        self._observer = observer
        #: Sent and not yet confirmed: not to be sent again. Touched on the loop only.
        self._in_flight: set[bytes] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._lock = threading.Lock()
        self._reports: list[tuple[bytes, bool]] = []
        self._delivered: list[bytes] = []
        self._confirming: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def send(self, entry_id: bytes, topic: str, key: str, value: bytes, headers: Headers) -> None:
        self._in_flight.add(entry_id)
        self._idle.clear()
        self._publisher.publish(topic, key, value, headers, partial(self._report, entry_id, topic))

    def resend(self, entries: Iterable[Entry]) -> int:
        """Send what is not in flight already; returns how many those were."""
        sent = 0
        for entry in entries:
            if entry.entry_id not in self._in_flight:
                made = headers_of_value(entry.event, entry.queue_id)
                self.send(entry.entry_id, entry.topic, entry.key, entry.event, made)
                sent += 1
        return sent

    async def drain(self, within: float) -> int:
        """Wait until everything sent is delivered and confirmed; how many are not, `within` that many seconds. Those
        stay in the outbox.
        """
        try:
            async with asyncio.timeout(within):
                await asyncio.to_thread(self._publisher.flush, within)
                await self._idle.wait()
        except TimeoutError:
            if self._confirming is not None:
                self._confirming.cancel()
        return len(self._in_flight)

    def _report(self, entry_id: bytes, topic: str, error: DeliveryError | None) -> None:
        """From the producer's thread."""
        if error is None:
            self._observer(Note("callback.delivered"))
        else:
            # One that time will mend is no news: the outbox has it, and the publisher told that the broker is away.
            level: Level = "debug" if error.retriable else "error"
            fields = {"entry": entry_id.decode(), "topic": topic}
            self._observer(Note("callback.failed", level, labels={"reason": error.code}, fields=fields))
        with self._lock:
            self._reports.append((entry_id, error is None))
            first = len(self._reports) == 1
        if first:
            self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._loop.call_later, _GATHER_SECONDS, self._gather)
        except RuntimeError:
            # The loop has ended: the outbox keeps what was not confirmed.
            self._observer(Note("callback.unconfirmed", "info"))

    def _gather(self) -> None:
        with self._lock:
            reports, self._reports = self._reports, []
        for entry_id, delivered in reports:
            if delivered:
                self._delivered.append(entry_id)
            else:
                self._settle([entry_id])
        if self._delivered and self._confirming is None:
            self._confirming = self._loop.create_task(self._confirm_delivered())

    def _settle(self, entry_ids: list[bytes]) -> None:
        self._in_flight.difference_update(entry_ids)
        if not self._in_flight:
            self._idle.set()

    async def _confirm_delivered(self) -> None:
        wait, longest = _RETRY_SECONDS
        try:
            while self._delivered:
                batch, self._delivered = self._delivered, []
                try:
                    await self._confirm(batch)
                except (UmpireError, RedisError) as error:
                    self._delivered = batch + self._delivered
                    fields = {"error": type(error).__name__, "entries": len(self._delivered)}
                    self._observer(Note("callback.unconfirmed", "warning", fields=fields))
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, longest)
                else:
                    self._settle(batch)
                    wait = _RETRY_SECONDS[0]
        finally:
            self._confirming = None
