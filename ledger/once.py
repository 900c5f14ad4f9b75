"""Requests that are to be accepted once: what an Idempotency-Key and the request that came with it are known by."""

import hashlib
import json
from typing import NamedTuple
from uuid import UUID

from contracts.errors import IdempotencyConflict
from contracts.http import LLMComparisonRequest

#: Characters of a queue id. A newer version may keep more behind it.
_ID = 36


class Once(NamedTuple):
    """Hashes only: a key is its caller's own, and a request holds essays."""

    key: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, request: LLMComparisonRequest, *, scope: str = "") -> "Once":
        """`scope`: whose key it is; the same one of somebody else is another.

        The request is compared as it was understood, not as it was written: order, white space and defaults that were
        spelt out make no difference, so that a client may build its body anew for another try.
        """
        # Not contracts.encoding: that one cannot put keys in order.
        understood = json.dumps(request.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
        return cls(_sha256(f"{scope}\0{key}"), _sha256(understood))


class AcceptedBefore(Exception):
    """No error: the same request came before, and has its queue id."""

    def __init__(self, queue_id: UUID) -> None:
        super().__init__(str(queue_id))
        self.queue_id = queue_id


def known_before(kept: bytes) -> UUID:
    """The queue id that an idempotency key was given. Raises IdempotencyConflict where only a newer version can read
    it: the key was used, and a second request must not be accepted for it.
    """
    try:
        return UUID(kept[:_ID].decode())
    except ValueError:
        raise IdempotencyConflict("the Idempotency-Key was used, with a newer version of the service") from None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
