"""The relay: sends results from the outbox to Kafka, and passes Kafka's delivery reports back to the outbox."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from functools import partial

from completion.delivery_reports import DeliveryReport, DeliveryReports
from contracts.settings import Settings
from contracts.topics import COMPARISON_RESULT, TopicPatterns, own_topics
from events.delivery_error import FORBIDDEN, DeliveryError
from events.headers import REDELIVERY, Headers, headers_of_value
from events.producer import Publisher
from ledger.outbox import Entry, Outbox
from telemetry.observer import Note, Observer, silent

#: Reports that arrive within this time, in seconds, are settled together: after the delivery this is not urgent.
_GATHER_SECONDS = 0.01

#: Least time between two bursts, in seconds: an event is sent at once unless others were sent this recently; then it is
#: sent with the next burst. Fifty produce requests a second cost the broker and librdkafka's thread much less than one
#: for each event.
_BURST_SECONDS = 0.02

#: How many unreadable events are remembered, so that each is counted once.
_MOST_UNKNOWN = 10_000


@dataclass(eq=False)
class Relay:
    """Belongs to one event loop: call `send` and `resend` on that loop only.

    `alone`: publisher for results that may be too large. `on_dead_letter` is called with each result that was refused
    for good.
    """

    publisher: Publisher
    outbox: Outbox
    loop: asyncio.AbstractEventLoop
    settings: Settings
    observer: Observer = silent
    _: KW_ONLY
    alone: Publisher
    on_dead_letter: Callable[[Entry, DeliveryError], None]

    def __post_init__(self) -> None:
        never = own_topics(self.settings.kafka.topic_prefix)
        self._topics = TopicPatterns(self.settings.service.callback_topics, never=never)
        #: Topic of the service's own comparisons: allowed, whatever topics callers may use.
        self._own_topic = self.settings.kafka.topic_prefix + COMPARISON_RESULT
        #: Entries sent and not yet settled, which must not be sent again. Used on the loop only.
        self._in_flight: set[bytes] = set()
        self._fewer = asyncio.Event()
        self._burst: list[Callable[[], None]] = []
        self._last_burst = -math.inf
        self._lock = threading.Lock()
        self._reports: list[DeliveryReport] = []
        #: Number of events sent and not yet reported.
        self._unreported = 0
        self.unanswered_since: float | None = None
        """Time (time.monotonic) since which results have been sent without any answer from the brokers. None while no
        result waits for an answer.
        """
        #: Entries that this version cannot read and has counted.
        self._unknown: set[bytes] = set()
        self._delivery_reports = DeliveryReports(
            self.outbox,
            unknown_topic_seconds=self.settings.kafka.kafka_unknown_topic_seconds,
            done=self._done,
            send_alone=self._send_alone,
            on_dead_letter=self.on_dead_letter,
            observer=self.observer,
        )

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def away(self) -> bool:
        """The brokers are unavailable: see Publisher.away."""
        return self.publisher.away

    @property
    def outage(self) -> str | None:
        """Kafka's name of the error that left this process without a working producer, or None."""
        return self.publisher.outage or self.alone.outage

    def send(
        self, entry_id: bytes, topic: str, key: str, value: bytes, headers: Headers, *, forbidden: bool = False
    ) -> None:
        """Send a result. `forbidden`: its owner may not publish to the topic, even if the operator allows the topic."""
        self._in_flight.add(entry_id)
        self._count_sent()
        on_delivery = partial(self._report, entry_id, topic, len(value))
        # The API has checked the topic; but the operator's list may have changed since, and `--topic` is typed by hand.
        if not forbidden and (topic == self._own_topic or self._topics.allow(topic)):
            self._burst.append(partial(self.publisher.publish, topic, key, value, headers, on_delivery))
            if len(self._burst) == 1:
                wait = self._last_burst + _BURST_SECONDS - self.loop.time()
                if wait > 0:
                    self.loop.call_later(wait, self._publish)
                else:
                    self._publish()
        else:
            on_delivery(FORBIDDEN)

    def _publish(self) -> None:
        self._last_burst = self.loop.time()
        burst, self._burst = self._burst, []
        for publish in burst:
            publish()

    def resend(self, entries: Iterable[Entry]) -> int:
        """Send the entries that are not in flight. Returns how many were sent."""
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
        """None if this version cannot read the event: it stays in the outbox for a version that can."""
        try:
            return headers_of_entry(entry)
        except (KeyError, TypeError, ValueError, AttributeError):
            if entry.entry_id not in self._unknown and len(self._unknown) < _MOST_UNKNOWN:
                self._unknown.add(entry.entry_id)
                self.observer(Note("row.unknown", "error", {"kind": "event"}, fields={"queue_id": entry.queue_id}))
            return None

    def _count_sent(self) -> None:
        self._unreported += 1
        if self.unanswered_since is None:
            self.unanswered_since = time.monotonic()

    def _send_alone(self, entry: Entry) -> None:
        self._count_sent()
        made = headers_of_entry(entry)
        on_delivery = partial(self._report, entry.entry_id, entry.topic, len(entry.event))
        self.alone.publish(entry.topic, entry.key, entry.event, made, on_delivery)

    async def wait_for_capacity(self, limit: int) -> None:
        """Wait until fewer than `limit` results are in flight."""
        while len(self._in_flight) >= limit:
            self._fewer.clear()
            await self._fewer.wait()

    async def drain(self, within: float) -> int:
        """Wait up to `within` seconds until all sent results are settled (delivered or failed). Returns how many are
        not: those stay in the outbox.
        """
        self._publish()
        try:
            async with asyncio.timeout(within):
                await asyncio.to_thread(self.publisher.flush, within)
                await self.wait_for_capacity(1)
        except TimeoutError:
            pass
        return len(self._in_flight)

    async def close(self, within: float) -> None:
        """Settle the last reports. Call it after closing the publishers: they fail undelivered results, which are then
        due for other processes at once.
        """
        try:
            async with asyncio.timeout(within):
                await self.wait_for_capacity(1)
        except TimeoutError:
            self._delivery_reports.cancel()

    def _report(self, entry_id: bytes, topic: str, size: int, error: DeliveryError | None) -> None:
        """Called from the producer's thread."""
        if error is None:
            self.observer(Note("callback.delivered", labels={"outcome": "delivered"}))
        else:
            # Only a debug note: DeliveryReports says what happens to the result.
            labels = {"outcome": "failed", "reason": error.code}
            self.observer(Note("callback.failed", labels=labels, fields={"entry": entry_id.decode(), "topic": topic}))
        with self._lock:
            self._reports.append(DeliveryReport(entry_id, size, error))
            first = len(self._reports) == 1
        if not first:
            return
        try:
            self.loop.call_soon_threadsafe(self.loop.call_later, _GATHER_SECONDS, self._gather)
        except RuntimeError:
            # The loop has ended: unconfirmed results stay in the outbox.
            self.observer(Note("callback.unconfirmed", "info"))

    def _gather(self) -> None:
        with self._lock:
            reports, self._reports = self._reports, []
        self._unreported -= len(reports)
        if any(report.error is None or report.error.answered for report in reports):
            self.unanswered_since = time.monotonic() if self._unreported else None
        self._delivery_reports.add(reports)

    def _done(self, entry_ids: Iterable[bytes]) -> None:
        self._in_flight.difference_update(entry_ids)
        self._fewer.set()


def headers_of_entry(entry: Entry) -> Headers:
    """Those of the first delivery and, if this is another one, its number."""
    made = headers_of_value(entry.event, entry.queue_id)
    return [*made, (REDELIVERY, str(entry.redelivery).encode())] if entry.redelivery else made
