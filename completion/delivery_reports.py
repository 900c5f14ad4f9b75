"""Applies Kafka's delivery reports to the outbox: delivered, to be tried again, or refused for good."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from redis.exceptions import RedisError

from contracts.errors import UmpireError
from events.delivery_error import DeliveryError
from ledger.outbox import Delivered, Disposition, Entry, Outbox, Undelivered
from telemetry.observer import Note, Observer

#: First and longest wait, in seconds, before another try while Redis does not take the reports.
_RETRY_SECONDS = (0.1, 5.0)
#: Failures in one script, to bound its time.
_BATCH = 500


class DeliveryReport(NamedTuple):
    entry_id: bytes
    size: int
    error: DeliveryError | None


@dataclass(eq=False)
class DeliveryReports:
    """`done` is called with entries that the outbox has settled; `send_alone` sends a result again, in a batch of
    its own; `on_dead_letter` is called with each result that was refused for good.
    """

    outbox: Outbox
    unknown_topic_seconds: float
    done: Callable[[Iterable[bytes]], None]
    send_alone: Callable[[Entry], None]
    on_dead_letter: Callable[[Entry, DeliveryError], None]
    observer: Observer

    def __post_init__(self) -> None:
        self._delivered: list[Delivered] = []
        self._failed: list[tuple[bytes, DeliveryError]] = []
        #: Refused as too large, possibly only because their batch was.
        self._crowded: list[bytes] = []
        #: Sent again in a batch of their own: the next report is about their own size.
        self._alone: set[bytes] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, reports: Iterable[DeliveryReport]) -> None:
        for entry_id, size, error in reports:
            if error is None:
                self._delivered.append(Delivered(entry_id, size))
            elif error.too_large and entry_id not in self._alone:
                self._crowded.append(entry_id)
            else:
                self._failed.append((entry_id, error))
        if self._task is None and self._left:
            self._task = asyncio.get_running_loop().create_task(self._settle())

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    @property
    def _left(self) -> int:
        return len(self._delivered) + len(self._failed) + len(self._crowded)

    async def _settle(self) -> None:
        wait, longest = _RETRY_SECONDS
        try:
            while self._left:
                try:
                    await self._settle_some()
                except (UmpireError, RedisError, OSError) as error:
                    fields = {"error": type(error).__name__, "entries": self._left}
                    self.observer(Note("callback.unconfirmed", "warning", fields=fields))
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, longest)
                else:
                    wait = _RETRY_SECONDS[0]
        finally:
            self._task = None

    async def _settle_some(self) -> None:
        """Write some reports. They are removed only after Redis stored them, and new ones are only appended."""
        if delivered := self._delivered[:]:
            await self.outbox.confirm(delivered)
            del self._delivered[: len(delivered)]
            self._settled([entry_id for entry_id, _ in delivered])
        if failed := self._failed[:_BATCH]:
            await self._settle_failed(failed)
            del self._failed[: len(failed)]
            self._settled([entry_id for entry_id, _ in failed])
        if crowded := self._crowded[:_BATCH]:
            entries = await self.outbox.read(crowded)
            del self._crowded[: len(crowded)]
            # Entries that are not in the outbox any more were delivered by another process.
            self._settled(set(crowded) - {entry.entry_id for entry in entries})
            for entry in entries:
                self._alone.add(entry.entry_id)
                self.send_alone(entry)

    async def _settle_failed(self, failed: Sequence[tuple[bytes, DeliveryError]]) -> None:
        reports = [Undelivered(entry_id, error.code, self._patience(error)) for entry_id, error in failed]
        dispositions = await self.outbox.undelivered(reports)
        for (_, error), (disposition, entry) in zip(failed, dispositions, strict=True):
            if disposition is Disposition.DEAD and entry is not None:
                fields = {"queue_id": entry.queue_id, "topic": entry.topic}
                self.observer(Note("callback.dead", "error", {"reason": error.code}, fields=fields))
                self.on_dead_letter(entry, error)
        if full := sum(disposition is Disposition.FULL for disposition, _ in dispositions):
            self.observer(Note("callback.dead_letters_full", "error", fields={"entries": full}))

    def _patience(self, error: DeliveryError) -> float | None:
        """Seconds after the first report of this error until it counts as refused for good; None: never."""
        if error.unknown_topic:
            return self.unknown_topic_seconds
        return None if error.retriable else 0.0

    def _settled(self, entry_ids: Iterable[bytes]) -> None:
        self._alone.difference_update(entry_ids)
        self.done(entry_ids)
