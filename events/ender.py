"""Ends requests that no worker runs: writes the result event to the outbox, sends it to Kafka, and a status event."""

from collections.abc import Awaitable, Callable

from contracts.enums import QueueEvent, QueueStatus
from contracts.errors import UmpireError
from contracts.http import LLMComparisonRequest
from contracts.settings import KafkaSettings
from events.ending import ending_of, failure_of, status_of
from events.lifecycle import Lifecycle
from events.relay import Relay
from events.result import Judgement, Spent
from ledger.completion import CompletedBy, Completion
from ledger.custody import Orphan
from telemetry.observer import Observer, silent

_EVENTS = {
    QueueStatus.CANCELLED: QueueEvent.CANCELLED,
    QueueStatus.EXPIRED: QueueEvent.EXPIRED,
    QueueStatus.FAILED: QueueEvent.FAILED,
}


class Ender:
    def __init__(
        self,
        finish: Callable[[Completion], Awaitable[bytes | None]],
        relay: Relay,
        lifecycle: Lifecycle,
        settings: KafkaSettings,
        *,
        sha256_of: Callable[[LLMComparisonRequest], str],
        observer: Observer = silent,
    ) -> None:
        """`finish` ends a request in the ledger, under this process' name: Claims.finish or UnclaimedRequests.end."""
        self._finish = finish
        self._relay = relay
        self._lifecycle = lifecycle
        self._settings = settings
        self._sha256_of = sha256_of
        self._observer = observer

    async def end(
        self, left: Orphan, error: UmpireError, state: QueueStatus, by: CompletedBy = CompletedBy.UNCLAIMED
    ) -> bool:
        """End the request with `error`. False if `by` may not end it: it has ended, or a worker has claimed it."""
        stored = left.stored
        spent = Spent.read(left.spent)
        judgement = Judgement(model=stored.model, spent=spent, error=error)
        sha256 = self._sha256_of(stored.request)
        ending, headers = ending_of(stored, judgement, state, by, prompt_sha256=sha256, settings=self._settings)
        entry_id = await self._finish(ending)
        if entry_id is None:
            return False
        self._relay.send(entry_id, ending.topic, ending.key, ending.event, headers)
        if note := failure_of(stored, judgement, state):
            self._observer(note)
        told = status_of(stored, state, _EVENTS[state], spent.attempts, error)
        self._lifecycle.tell(told, queue_id=stored.queue_id, traceparent=stored.traceparent)
        return True
