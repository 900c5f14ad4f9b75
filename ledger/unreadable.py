"""Records that this version cannot read: written by a newer one before a rollback, or damaged. Each is logged once and
skipped, so that it does not block others, and stays where it is for a version that can read it.
"""

from pydantic import ValidationError

from ledger.request import StoredRequest
from telemetry.observer import Note, Observer

#: How many are remembered as logged.
_TOLD = 10_000


class Unreadable:
    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._told: set[bytes] = set()

    def read(self, queue_id: bytes, body: bytes) -> StoredRequest | None:
        try:
            return StoredRequest.read(body)
        except ValidationError as error:
            if queue_id not in self._told and len(self._told) < _TOLD:
                self._told.add(queue_id)
                # Log which fields are wrong, but not their values.
                where = sorted({".".join(map(str, each["loc"])) for each in error.errors(include_input=False)})
                fields = {"queue_id": queue_id.decode(), "where": ", ".join(where[:5])}
                self._observer(Note("record.unreadable", "error", {"kind": "record"}, fields=fields))
            return None
