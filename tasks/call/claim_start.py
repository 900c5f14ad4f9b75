"""The start of a claim: it is counted and announced, and the API key of its request is checked once."""

from completion.lifecycle_events import status_of
from contracts.enums import QueueEvent, QueueStatus
from events.lifecycle import Lifecycle
from ledger.claims import Claimed
from tasks.key_policy import KeyCheck, KeyPolicy
from telemetry.observer import Note, Observer


class ClaimStart:
    def __init__(self, key_policy: KeyPolicy, lifecycle: Lifecycle, observer: Observer) -> None:
        self._key_policy = key_policy
        self._lifecycle = lifecycle
        self._observer = observer

    def begin(self, claimed: Claimed) -> KeyCheck:
        stored = claimed.stored
        self._observer(Note("comparison.claimed", labels={"provider": stored.provider.value}, value=claimed.waited))
        event = status_of(stored, QueueStatus.PROCESSING, QueueEvent.PROCESSING, claimed.tries)
        self._lifecycle.send(event, queue_id=stored.queue_id, traceparent=stored.traceparent)
        return self._key_policy.check(claimed)
