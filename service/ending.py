"""Ending what no worker holds: its result event goes to the outbox and at once to Kafka, its status event with it."""

from contracts.enums import QueueEvent, QueueStatus
from contracts.errors import UmpireError
from contracts.settings import KafkaSettings
from events.ending import ending_of, status_of
from events.lifecycle import Lifecycle
from events.relay import Relay
from events.result import Judgement, Spent
from ledger.claims import Who
from ledger.request import StoredRequest
from ledger.unstarted import Unstarted
from providers.prompt import prompt_sha256

_EVENTS = {QueueStatus.CANCELLED: QueueEvent.CANCELLED, QueueStatus.EXPIRED: QueueEvent.EXPIRED}


class Ender:
    def __init__(self, unstarted: Unstarted, relay: Relay, lifecycle: Lifecycle, settings: KafkaSettings) -> None:
        self._unstarted = unstarted
        self._relay = relay
        self._lifecycle = lifecycle
        self._settings = settings

    async def end(self, stored: StoredRequest, spent: bytes, error: UmpireError, state: QueueStatus) -> bool:
        """`spent`: by its claims so far, as its record has it. False where it has started, or ended, meanwhile."""
        used = Spent.model_validate_json(spent) if spent else Spent()
        judgement = Judgement(model=stored.model, spent=used, error=error)
        sha256 = prompt_sha256(stored.request)
        ending, headers = ending_of(stored, judgement, state, Who.IDLE, prompt_sha256=sha256, settings=self._settings)
        entry_id = await self._unstarted.end(ending)
        if entry_id is None:
            return False
        self._relay.send(entry_id, ending.topic, ending.key, ending.event, headers)
        told = status_of(stored, state, _EVENTS[state], used.attempts, error.code)
        self._lifecycle.tell(told, queue_id=stored.queue_id, traceparent=stored.traceparent)
        return True
