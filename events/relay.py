"""The relay: results from the outbox to Kafka, and Kafka's reports back to the outbox."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from contracts.settings import Settings
from contracts.topics import COMPARISON_RESULT, TopicPatterns, own_topics
from events.delivery import FORBIDDEN, DeliveryError
from events.headers import Headers, headers_of_value
from events.producer import Publisher
from events.settlement import Book, Report, Settlement
from ledger.outbox import Entry
from telemetry.observer import Note, Observer, silent

#: Reports that arrive within this time are settled together. The event itself is out already: nobody waits for it.
_GATHER_SECONDS = 0.01

#: An event goes at once, unless others went so short a time ago: then it goes with those that come until that is over.
#: Fifty requests to Kafka a second cost the broker, and librdkafka's thread here, much less than one an event.
_BURST_SECONDS = 0.02

#: How many events that cannot be read are remembered as counted.
_MOST_UNKNOWN = 10_000


class Relay:
    """Belongs to one event loop; `send` and `resend` are called on it."""

    def __init__(
        self,
        publisher: Publisher,
        book: Book,
        loop: asyncio.AbstractEventLoop,
        settings: Settings,
        observer: Observer = silent,
        *,
        alone: Publisher,
        bury: Callable[[Entry, DeliveryError], None],
    ) -> None:
        """`alone`: for what may be too large; `bury`: told of each event that was refused for good."""
        self._publisher = publisher
        self._alone = alone
        self._loop = loop
        self._observer = observer
        never = own_topics(settings.kafka.topic_prefix)
        self._topics = TopicPatterns(settings.service.callback_topics, never=never)
        #: Where the service's own comparisons go, whatever callers may name.
        self._own_topic = settings.kafka.topic_prefix + COMPARISON_RESULT
        #: Sent and not yet settled: not to be sent again. Touched on the loop only.
        self._in_flight: set[bytes] = set()
        self._fewer = asyncio.Event()
        self._burst: list[Callable[[], None]] = []
        self._last_burst = -math.inf
        self._lock = threading.Lock()
        self._reports: list[Report] = []
        #: Sent, and no report of it yet.
        self._unreported = 0
        self._unanswered_since: float | None = None
        #: Events that this version cannot read, and has counted.
        self._unknown: set[bytes] = set()
        self._settlement = Settlement(
            book,
            unknown_topic_seconds=settings.kafka.kafka_unknown_topic_seconds,
            done=self._done,
            send_alone=self._send_alone,
            bury=bury,
            observer=observer,
        )

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def away(self) -> bool:
        """No broker answered lately."""
        return self._publisher.away

    @property
    def outage(self) -> str | None:
        """Kafka's name of the error that leaves this process without a working producer, if there is one."""
        return self._publisher.outage or self._alone.outage

    @property
    def unanswered_since(self) -> float | None:
        """By time.monotonic: since when results were sent and brokers answered none of them. None while nothing waits
        for an answer.
        """
        return self._unanswered_since

    def send(
        self, entry_id: bytes, topic: str, key: str, value: bytes, headers: Headers, *, forbidden: bool = False
    ) -> None:
        """`forbidden`: the request's owner may not publish to the topic, whatever the operator's list says."""
        self._in_flight.add(entry_id)
        self._count_sent()
        on_delivery = partial(self._report, entry_id, topic, len(value))
        # The door has asked the same; but the operator's list may have changed since, and `--topic` is typed by hand.
        if not forbidden and (topic == self._own_topic or self._topics.allow(topic)):
            self._burst.append(partial(self._publisher.publish, topic, key, value, headers, on_delivery))
            if len(self._burst) == 1:
                wait = self._last_burst + _BURST_SECONDS - self._loop.time()
                if wait > 0:
                    self._loop.call_later(wait, self._publish)
                else:
                    self._publish()
        else:
            on_delivery(FORBIDDEN)

    def _publish(self) -> None:
        self._last_burst = self._loop.time()
        burst, self._burst = self._burst, []
        for publish in burst:
            publish()

    def resend(self, entries: Iterable[Entry]) -> int:
        """Send what is not in flight already; returns how many those were."""
        sent = 0
        for entry in entries:
            if entry.entry_id not in self._in_flight:
                made = self._headers(entry)
                if made is None:
                    continue
                self.send(entry.entry_id, entry.topic, entry.key, entry.event, made, forbidden=entry.forbidden)
                sent += 1
        return sent

    def _headers(self, entry: Entry) -> Headers | None:
        """None where this version cannot read the event: it stays in the outbox, for a version that can."""
        try:
            return headers_of_value(entry.event, entry.queue_id)
        except (KeyError, TypeError, ValueError, AttributeError):
            if entry.entry_id not in self._unknown and len(self._unknown) < _MOST_UNKNOWN:
                self._unknown.add(entry.entry_id)
                self._observer(Note("row.unknown", "error", {"kind": "event"}, fields={"queue_id": entry.queue_id}))
            return None

    def _count_sent(self) -> None:
        self._unreported += 1
        if self._unanswered_since is None:
            self._unanswered_since = time.monotonic()

    def _send_alone(self, entry: Entry) -> None:
        self._count_sent()
        made = headers_of_value(entry.event, entry.queue_id)
        on_delivery = partial(self._report, entry.entry_id, entry.topic, len(entry.event))
        self._alone.publish(entry.topic, entry.key, entry.event, made, on_delivery)

    async def room(self, limit: int) -> None:
        """Wait until fewer than `limit` are in flight."""
        while len(self._in_flight) >= limit:
            self._fewer.clear()
            await self._fewer.wait()

    async def drain(self, within: float) -> int:
        """Wait until everything sent is delivered, or failed, and settled; how many are not, `within` that many
        seconds. Those stay in the outbox.
        """
        self._publish()
        try:
            async with asyncio.timeout(within):
                await asyncio.to_thread(self._publisher.flush, within)
                await self.room(1)
        except TimeoutError:
            pass
        return len(self._in_flight)

    async def close(self, within: float) -> None:
        """After the publishers', whose last reports make what they did not deliver due to others at once."""
        try:
            async with asyncio.timeout(within):
                await self.room(1)
        except TimeoutError:
            self._settlement.cancel()

    def _report(self, entry_id: bytes, topic: str, size: int, error: DeliveryError | None) -> None:
        """From the producer's thread."""
        if error is None:
            self._observer(Note("callback.delivered", labels={"outcome": "delivered"}))
        else:
            # No news in itself: the settlement tells what becomes of it.
            labels = {"outcome": "failed", "reason": error.code}
            self._observer(Note("callback.failed", labels=labels, fields={"entry": entry_id.decode(), "topic": topic}))
        with self._lock:
            self._reports.append(Report(entry_id, size, error))
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
        self._unreported -= len(reports)
        if any(report.error is None or report.error.answered for report in reports):
            self._unanswered_since = time.monotonic() if self._unreported else None
        self._settlement.add(reports)

    def _done(self, entry_ids: Iterable[bytes]) -> None:
        self._in_flight.difference_update(entry_ids)
        self._fewer.set()
