"""Idempotency keys: the hashes under which an Idempotency-Key and its request are stored."""

import hashlib
import json
from typing import NamedTuple
from uuid import UUID

from contracts.errors import IdempotencyConflict
from contracts.http import LLMComparisonRequest

#: Characters of a queue id. A newer version may store more after it.
_QUEUE_ID_LENGTH = 36


class IdempotencyKey(NamedTuple):
    """SHA-256 hashes, in hex, of an Idempotency-Key and of its request: a key is private to its caller, and a request
    holds essays.
    """

    key: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, request: LLMComparisonRequest, *, scope: str = "") -> "IdempotencyKey":
        """`scope`: the caller whose key it is; the same key of another caller is a different key.

        The fingerprint is of the parsed request, not of its text: field order, white space and explicit defaults make
        no difference, so that a client may build its body anew for a retry.
        """
        # Not contracts.encoding, which cannot sort keys.
        canonical = json.dumps(request.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
        return cls(_sha256(f"{scope}\0{key}"), _sha256(canonical))


def redelivery_hash(key: str, place: str, *, scope: str) -> str:
    """The hash under which an Idempotency-Key of a redelivery is stored: no key of a submission has the same. `place`:
    of the result in its request, empty if the request names one result only.
    """
    return _sha256(f"{scope}\0redeliver\0{place}\0{key}")


class AlreadyAccepted(Exception):
    """Not an error: the same request was accepted before, under `queue_id`."""

    def __init__(self, queue_id: UUID) -> None:
        super().__init__(str(queue_id))
        self.queue_id = queue_id


def stored_queue_id(stored: bytes) -> UUID:
    """The queue id stored for an idempotency key. Raises IdempotencyConflict if only a newer version can read it: the
    key was used, so a second request must not be accepted under it.
    """
    try:
        return UUID(stored[:_QUEUE_ID_LENGTH].decode())
    except ValueError:
        raise IdempotencyConflict(
            "This Idempotency-Key was used before, with a newer version of the service; the request was not accepted."
        ) from None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
