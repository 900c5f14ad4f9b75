"""Arguments of each Lua script, in the order in which it reads them from ARGV: a `<Script>Head` once, then a
`<Script>Row` for each item. tests/ledger/scripts/test_arguments.py compares their names and order with the `unpack`
lines of the scripts. The comment at the top of each script says what they mean.

A process runs the scripts of its own version, so arguments may change between versions. Record fields may not: see
ledger/keys.py.
"""

from typing import NamedTuple


class AdmitHead(NamedTuple):
    most: float
    most_bytes: float
    low: float
    low_bytes: float
    share: float
    keep_ms: int
    spent_key: str


class AdmitRow(NamedTuple):
    short: str
    """An AdmitShort, its fields separated by blanks."""
    body: bytes
    message: bytes
    latest: int


class AdmitShort(NamedTuple):
    """Short fields of a request, sent as one argument: a separate one costs the API a microsecond or two."""

    id: str
    provider: str
    priority: str
    list: str
    ttl_ms: str
    reply_to: str
    owner: str
    limited: str
    idempotency_hash: str
    fingerprint: str
    strict: str


class ClaimHead(NamedTuple):
    """The queue's lists follow."""

    worker: str
    number: int
    lease: int
    cap: int
    wanted: int
    provider: str
    leader: str
    spent_key: str
    most_added: int


class ConfirmRow(NamedTuple):
    entry: bytes
    size: int


class DueHead(NamedTuple):
    limit: int


class ExpiredHead(NamedTuple):
    most_added: int
    scan: int
    start: int
    limit: int
    max_bytes: int


class FinishHead(NamedTuple):
    worker: str
    retention: int
    day_key: str
    spent_key: str
    keep_ms: int
    keep_bytes: int


class FinishRow(NamedTuple):
    id: str
    state: str
    by: str
    topic: str
    message_key: str
    event: bytes
    cost: str
    forbidden: str
    fencing_token: str
    must_exist: str
    code: str


class LapseHead(NamedTuple):
    custodian: str
    limit: int
    lease: int


class LapseRow(NamedTuple):
    id: bytes
    list: str
    message: bytes


class LockHead(NamedTuple):
    key: str
    owner: str
    ms: int


class LostHead(NamedTuple):
    """Then two arguments for each priority step, and further queue ids."""

    provider: str
    age: int
    scan: int
    start: int
    most: int
    sample: int
    steps: int


class RedeliverHead(NamedTuple):
    owner: str
    once_ms: int
    most: int
    dry_run: int


class RedeliverRow(NamedTuple):
    id: str
    once: str = "-"


class RenewHead(NamedTuple):
    """Then a RenewRow for each lease, and the queue ids of pointers."""

    owner: str
    lease: int
    provider: str
    live: int
    leases: int


class RenewRow(NamedTuple):
    id: str
    fencing_token: int
    most: int


class ReplayHead(NamedTuple):
    """Queue ids follow."""

    topic: str


class RequeueHead(NamedTuple):
    owner: str


class RequeueRow(NamedTuple):
    id: str
    state: str
    list: str
    message: bytes
    place: str = "back"
    tries: int = 0
    delay: int = 0
    spent: bytes = b""
    fencing_token: str = ""
    model: str = ""


class UndeliveredHead(NamedTuple):
    most: int
    again: int


class UndeliveredRow(NamedTuple):
    entry: bytes
    reason: str
    patience: int


class WakeHead(NamedTuple):
    provider: str
    model: str
    limit: int
    ended: int
