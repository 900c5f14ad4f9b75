"""Ends a claim whose request has not ended: releases, defers or parks the request."""

import time
from dataclasses import dataclass, replace
from functools import partial

from completion.judgement import Judgement, Spent
from completion.lifecycle_events import status_of
from completion.persist import persist
from contracts.enums import QueueEvent, QueueStatus
from events.lifecycle import Lifecycle
from ledger.claims import Claimed, Claims, Release
from ledger.parked import PARKED_SECONDS
from tasks.flower_events import FlowerEvents
from tasks.gate.gatekeeper import Gatekeeper
from telemetry.observer import Note, Observer


@dataclass(eq=False)
class Releaser:
    claims: Claims
    gatekeeper: Gatekeeper
    lifecycle: Lifecycle
    flower: FlowerEvents
    observer: Observer

    async def defer(self, claimed: Claimed, judgement: Judgement, delay: float) -> None:
        """Return the request to its queue in `delay` seconds, for the judgement's error. It costs a try."""
        stored, error = claimed.stored, judgement.error
        code = error.code.value if error else ""
        await self._write(claimed, Release(stored, delay=delay, counts=True), judgement.spent)
        labels = {"provider": stored.provider.value, "error_code": code}
        self.observer(Note("comparison.deferred", "info", labels, delay))
        event = status_of(stored, QueueStatus.QUEUED, QueueEvent.QUEUED, claimed.tries + 1, error)
        self.lifecycle.send(event, stored)
        self._end(claimed, "deferred", f"{code}, attempt {judgement.spent.attempts}")

    async def release(self, claimed: Claimed, reason: str, *, front: bool, spent: Spent) -> None:
        """Return the request to its queue at once, without a try."""
        await self._write(claimed, Release(claimed.stored, front=front), spent)
        self._returned(claimed, reason, spent)

    async def park(self, claimed: Claimed, spent: Spent) -> None:
        """The model is on hold: defer the request without a try, so that the queue goes on with other models."""
        stored = claimed.stored
        await self._write(claimed, Release(stored, delay=PARKED_SECONDS, parked=stored.model), spent)
        self._returned(claimed, "model_hold", spent)

    def abandon(self, claimed: Claimed) -> None:
        """The claim ended by a fault and nothing could be written: its lease lapses."""
        self.flower.failed(str(claimed.stored.queue_id), QueueStatus.FAILED.value)

    async def _write(self, claimed: Claimed, release: Release, spent: Spent) -> None:
        release = replace(release, spent=spent.model_dump_json().encode(), fencing_token=claimed.fencing_token)
        await persist(partial(self.claims.release, [release]), self.observer)

    def _returned(self, claimed: Claimed, reason: str, spent: Spent) -> None:
        """`spent.last_error`: the error of the last attempt, which may be an earlier claim's."""
        note = Note("comparison.returned", "info", {"provider": claimed.stored.provider.value, "reason": reason})
        if reason == "breaker":
            self.gatekeeper.note(note)
        else:
            self.observer(note)
        after = f" after {spent.last_error}" if spent.last_error else ""
        self._end(claimed, "returned", f"{reason}{after}, attempt {spent.attempts}")

    def _end(self, claimed: Claimed, status: str, why: str) -> None:
        labels = {"provider": claimed.stored.provider.value, "status": status}
        self.observer(Note("comparison.released", "debug", labels, time.monotonic() - claimed.claimed))
        self.flower.retried(str(claimed.stored.queue_id), f"{status}: {why}")
