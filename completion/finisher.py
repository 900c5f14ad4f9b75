"""Ends a request, whichever process ends it: a worker with a verdict or an error, maintenance when it expired or was
given up, the API when it is cancelled. What happens then, in order:

1. the completion record with the result event (result_event.py, pure);
2. the ledger: finish.lua writes terminal state and outbox entry in one step. The same step counts the usage (the day's
   totals, the cost of the API key, the books) and sends the reply to an API process that waits;
3. publish: the relay hands the event to Kafka, whose delivery report removes it from the outbox;
4. the log line of a failed or expired request, and its lifecycle events;
5. Flower's row, in worker processes;
6. metrics.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from completion.judgement import Judgement, Spent
from completion.lifecycle_events import request_completed, status_of
from completion.persist import persist
from completion.relay import Relay
from completion.result_event import completion_of
from contracts.clock import utcnow
from contracts.enums import QueueEvent, QueueStatus
from contracts.errors import UmpireError
from contracts.http import LLMComparisonRequest
from contracts.settings import KafkaSettings
from events.headers import Headers
from events.lifecycle import Lifecycle
from ledger.claims import Claimed
from ledger.completion import CompletedBy, Completion
from ledger.request import StoredRequest
from ledger.sweeps import Orphan
from telemetry.observer import Note, Observer, silent

_EVENTS = {
    QueueStatus.COMPLETED: QueueEvent.COMPLETED,
    QueueStatus.FAILED: QueueEvent.FAILED,
    QueueStatus.CANCELLED: QueueEvent.CANCELLED,
    QueueStatus.EXPIRED: QueueEvent.EXPIRED,
}


class FlowerRows(Protocol):
    """What the finisher reports to Flower."""

    def ended(self, queue_id: str, state: QueueStatus, outcome: str, seconds: float) -> None:
        """A claim of this process ended its request after `seconds`."""

    def ended_unclaimed(self, queue_id: str, outcome: str) -> None:
        """Maintenance of this process ended a request that no claim of this process ran."""


@dataclass(eq=False)
class Finisher:
    """`write` writes a completion record to the ledger in the name of this process: Claims.finish or
    UnclaimedRequests.end.
    """

    write: Callable[[Completion], Awaitable[bytes | None]]
    relay: Relay
    lifecycle: Lifecycle
    settings: KafkaSettings
    sha256_of: Callable[[LLMComparisonRequest], str]
    flower: FlowerRows | None = None
    observer: Observer = silent

    async def finish(self, claimed: Claimed, judgement: Judgement, *, forbidden: bool = False) -> None:
        """End a request that this worker has claimed, with its verdict or its error. Repeats the write until Redis
        takes it. `forbidden`: the request's owner may not publish to its topic.

        A verdict ends any unfinished request; an error needs the lease. If the request has ended elsewhere, that result
        stands, and this one is not published.
        """
        stored, error = claimed.stored, judgement.error
        state, by = QueueStatus.COMPLETED, CompletedBy.ANY
        outcome = state.value
        if error is not None:
            state, by = QueueStatus.FAILED, CompletedBy.HOLDER
            outcome = _outcome(state, error, judgement)
        record, headers = self._record(stored, judgement, state, by)
        record = replace(record, fencing_token=claimed.fencing_token, claimed=claimed.claimed, forbidden=forbidden)
        entry_id = await persist(partial(self.write, record), self.observer)
        labels = {"provider": stored.provider.value}
        seconds = time.monotonic() - claimed.claimed
        if entry_id is None:
            self.observer(Note("lease.lost", "warning", labels=labels))
        else:
            self._publish(entry_id, record, headers, stored, judgement, claimed.tries)
        if self.flower is not None:
            self.flower.ended(record.queue_id, state, outcome, seconds)
        if entry_id is not None:
            self.observer(Note("comparison.finished", "debug", {**labels, "status": state.value}, seconds))

    async def end(
        self, orphan: Orphan, error: UmpireError, state: QueueStatus, by: CompletedBy = CompletedBy.UNCLAIMED
    ) -> bool:
        """End a request that no worker runs, with `error`. False if `by` may not end it: it has ended, or a worker has
        claimed it. Raises RedisError or OSError if Redis is unavailable.
        """
        stored = orphan.stored
        judgement = Judgement(model=stored.model, spent=Spent.read(orphan.spent), error=error)
        record, headers = self._record(stored, judgement, state, by)
        entry_id = await self.write(record)
        if entry_id is None:
            return False
        self._publish(entry_id, record, headers, stored, judgement, judgement.spent.attempts)
        if self.flower is not None:
            self.flower.ended_unclaimed(record.queue_id, _outcome(state, error, judgement))
        self.observer(Note("comparison.ended", "debug", {"provider": stored.provider.value, "status": state.value}))
        return True

    def _record(
        self, stored: StoredRequest, judgement: Judgement, state: QueueStatus, by: CompletedBy
    ) -> tuple[Completion, Headers]:
        sha256 = self.sha256_of(stored.request)
        return completion_of(stored, judgement, state, by, prompt_sha256=sha256, settings=self.settings)

    def _publish(
        self,
        entry_id: bytes,
        record: Completion,
        headers: Headers,
        stored: StoredRequest,
        judgement: Judgement,
        attempt: int,
    ) -> None:
        """Publish the result, log a failure, and send the lifecycle events."""
        self.relay.send(entry_id, record.topic, record.key, record.event, headers, forbidden=record.forbidden)
        if note := failure_of(stored, judgement, record.state):
            self.observer(note)
        self.lifecycle.send(request_completed(stored, judgement), stored)
        event = status_of(stored, record.state, _EVENTS[record.state], attempt, judgement.error)
        self.lifecycle.send(event, stored)


def _outcome(state: QueueStatus, error: UmpireError, judgement: Judgement) -> str:
    """For Flower."""
    return f"{state.value}: {error.code.value}, attempt {judgement.spent.attempts}"


def failure_of(stored: StoredRequest, judgement: Judgement, state: QueueStatus) -> Note | None:
    """The log line of a comparison that failed or expired; None for any other end.

    `waited`: seconds from acceptance to end. `ms`: total time of its calls, over all claims. It contains no text of
    the provider or the caller.
    """
    error = judgement.error
    if error is None or state not in {QueueStatus.FAILED, QueueStatus.EXPIRED}:
        return None
    spent = judgement.spent
    fields = {
        "queue_id": str(stored.queue_id),
        "correlation_id": str(stored.correlation_id),
        "model": stored.model,
        "attempts": spent.attempts,
        "waited": round(max(0.0, (utcnow() - stored.requested_at).total_seconds()), 3),
        "ms": spent.call_ms,
        "cost": spent.cost,
        "cost_known": spent.cost_known,
    }
    labels = {"provider": stored.provider.value, "status": state.value, "error_code": error.code.value}
    return Note("comparison.failed", "info", labels, fields=fields)
