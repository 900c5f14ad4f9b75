"""The ledger, the workers and the spool."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from contracts.settings.base import Concern, internal


class LedgerSettings(Concern):
    ledger_max_size: int = Field(200_000, ge=1)
    """Most accepted requests in Redis: those that are not finished, and those whose result Kafka has not confirmed.
    At this bound the API answers 503 "Queue at capacity", until the number is below 90 % of it. If several
    providers are enabled, the unfinished requests of one take at most 80 %."""
    ledger_max_memory_mb: float = Field(2_000.0, gt=0)
    """Most megabytes of unfinished request bodies and unconfirmed results in Redis; otherwise as
    UMPIRE_LEDGER_MAX_SIZE. Redis needs about 2.5 kB more for each request."""
    ledger_high_watermark: float = internal(1.0, "LEDGER_HIGH_WATERMARK", gt=0, le=1)
    """Share of either bound at which the ledger stops accepting."""
    ledger_low_watermark: float = internal(0.9, "LEDGER_LOW_WATERMARK", ge=0, lt=1)
    """Share of either bound below which it accepts again."""
    ledger_provider_share: float = internal(0.8, "LEDGER_PROVIDER_SHARE", gt=0, le=1)
    """Share of either bound for the unfinished requests of one provider, if several are enabled, so that the others
    continue during a long outage of one. At most the low watermark divided by the high one: a larger backlog of one
    provider would keep the ledger from accepting anything until it had drained."""
    queue_ttl_seconds: int = Field(14_400, ge=1)
    """How long a request may wait for its verdict, in seconds; then it expires. It is also the largest
    `ttl_seconds` that a request may have."""
    lease_seconds: float = internal(30.0, "LEASE_SECONDS", ge=1)
    """How long a claim lasts without a heartbeat, in seconds."""
    max_lapses: int = internal(5, "MAX_LAPSES", ge=1)
    """A request whose lease lapsed this often fails: it probably kills its workers."""
    lost_pointer_seconds: float = internal(15.0, "LOST_POINTER_SECONDS", gt=0)
    """Age of a queued request, in seconds, from which its pointer is pushed again if it is missing from the broker."""
    finished_retention_seconds: int = Field(3_600, ge=60)
    """How long Redis keeps the state of a finished request, in seconds. The text is removed at once. A finished
    request takes about 1 kB."""
    idempotency_ttl_seconds: int = Field(86_400, ge=1)
    """How long an `Idempotency-Key` is stored, in seconds. Each one takes about 250 bytes in Redis."""
    results_keep_seconds: int = Field(0, ge=0)
    """How long Redis keeps a result event after its request has ended, in seconds, so that it can be redelivered.
    0: not at all. `umpire up` with its embedded broker sets 93600 (26 hours) if this is not set, because that broker
    loses all events when it restarts."""
    results_max_memory_mb: float = Field(256.0, gt=0)
    """Most megabytes of kept results in Redis; the oldest are dropped first. A result takes about 2 kB."""

    @model_validator(mode="after")
    def _check_watermarks(self) -> Self:
        if self.ledger_low_watermark >= self.ledger_high_watermark:
            raise ValueError("UMPIRE_TEST_LEDGER_LOW_WATERMARK must be below UMPIRE_TEST_LEDGER_HIGH_WATERMARK")
        return self

    @property
    def effective_provider_share(self) -> float:
        """Share of the bounds at the high watermark. A low watermark below one request does not limit it."""
        if self.ledger_low_watermark * self.ledger_max_size < 1:
            return self.ledger_provider_share
        return min(self.ledger_provider_share, self.ledger_low_watermark / self.ledger_high_watermark)


class WorkerSettings(Concern):
    worker_threads: int = internal(4, "WORKER_THREADS", ge=1, le=1000)
    """Concurrent Celery tasks of a worker process. A task only claims requests for free slots and returns."""
    adaptive_concurrency: bool = True
    """Find out how many concurrent calls, and how many call starts a second, a provider accepts, and keep to it,
    for all workers together. UMPIRE_<PROVIDER>_CONCURRENCY stays the upper bound of a process. `false`: each
    process always uses all of its slots."""
    drain_seconds: float = Field(125.0, ge=0)
    """On SIGTERM: how long running calls may take to finish, in seconds. If it is longer than
    UMPIRE_CALL_DEADLINE_SECONDS, no call is interrupted."""
    outbox_resend_seconds: float = internal(35.0, "OUTBOX_RESEND_SECONDS", gt=0)
    """Age at which maintenance sends an unconfirmed result again, in seconds; longer than the delivery timeout of
    the producer."""
    rate_wait_seconds: float = internal(5.0, "RATE_WAIT_SECONDS", ge=0)
    """Longest wait for a rate limit in a slot, in seconds; a longer one closes the provider's gate instead."""


class SpoolSettings(Concern):
    spool_path: Path = Path("umpire-data/spool.sqlite3")
    """File of the spool: it stores what an API host accepts while Redis is unavailable. The API processes of a host
    share it. It must be on a local disk that outlives the processes."""
    queue_max_size: int = Field(1_000, ge=1)
    """Most requests in the spool of an API host. The bound of the queue in Redis is UMPIRE_LEDGER_MAX_SIZE."""
    queue_max_memory_mb: float = Field(100.0, gt=0)
    """Most megabytes of requests in the spool of an API host. The bound of the queue in Redis is
    UMPIRE_LEDGER_MAX_MEMORY_MB."""
    queue_high_watermark: float = Field(0.8, gt=0, le=1)
    """Share of UMPIRE_QUEUE_MAX_SIZE and UMPIRE_QUEUE_MAX_MEMORY_MB at which the spool is full: the API then
    answers 503 "Queue at capacity" while Redis is unavailable."""
    queue_low_watermark: float = Field(0.6, ge=0, lt=1)
    """Share of the same bounds to which a full spool must drain before it accepts requests again."""
    spool_drain_rate: float = internal(500.0, "SPOOL_DRAIN_RATE", gt=0)
    """Requests a second that move from the spool into the ledger once Redis is available."""

    @model_validator(mode="after")
    def _check_watermarks(self) -> Self:
        if self.queue_low_watermark >= self.queue_high_watermark:
            raise ValueError("UMPIRE_QUEUE_LOW_WATERMARK must be below UMPIRE_QUEUE_HIGH_WATERMARK")
        return self
