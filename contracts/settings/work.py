"""The ledger and the workers."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from contracts.settings.base import Concern


class LedgerSettings(Concern):
    ledger_max_size: int = Field(200_000, ge=1)
    """Accepted requests that the ledger holds at most: unfinished, or finished and not yet taken by Kafka. Above, the
    door answers 503 "Queue at capacity"."""
    ledger_max_memory_mb: float = Field(2_000.0, gt=0)
    """Megabytes of unfinished request bodies, and of results that Kafka has not taken, above which nothing is accepted.
    Redis takes about 2.5 kB a request besides."""
    ledger_high_watermark: float = Field(1.0, gt=0, le=1)
    """Share of either bound above which the ledger takes no more."""
    ledger_low_watermark: float = Field(0.9, ge=0, lt=1)
    """Share to which it must have drained before it takes anything again."""
    ledger_provider_share: float = Field(0.8, gt=0, le=1)
    """Share of either bound that the unfinished requests of one provider may take, where several are enabled: the
    others go on when one is away for long. At most the low watermark's share of the high one: a backlog above it would
    keep the ledger refusing everybody until it had drained."""
    queue_ttl_seconds: int = Field(14_400, ge=1)
    """How long a request may wait for its verdict, in seconds; also the most that `ttl_seconds` may ask for."""
    lease_seconds: float = Field(30.0, ge=1)
    """How long a worker's claim holds without a heartbeat, in seconds."""
    max_lapses: int = Field(5, ge=1)
    """Lapsed leases after which a request is taken for one that kills its workers, and fails."""
    lost_pointer_seconds: float = Field(15.0, gt=0)
    """Age at which a queued request whose message is missing from the broker is pushed again, in seconds."""
    finished_retention_seconds: int = Field(3_600, ge=60)
    """How long the state (never the text) of a finished request is remembered, in seconds. Each takes about 1 kB of
    Redis."""
    idempotency_ttl_seconds: int = Field(86_400, ge=1)
    """How long an `Idempotency-Key` is remembered, in seconds. Each takes about 250 bytes of Redis."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.ledger_low_watermark >= self.ledger_high_watermark:
            raise ValueError("UMPIRE_LEDGER_LOW_WATERMARK must be below UMPIRE_LEDGER_HIGH_WATERMARK")
        return self

    @property
    def effective_provider_share(self) -> float:
        """Of the high watermark's bounds. A low watermark that leaves no room for one request bounds no share."""
        if self.ledger_low_watermark * self.ledger_max_size < 1:
            return self.ledger_provider_share
        return min(self.ledger_provider_share, self.ledger_low_watermark / self.ledger_high_watermark)


class WorkerSettings(Concern):
    worker_threads: int = Field(4, ge=1, le=1000)
    """Celery tasks that a worker process runs at a time. They only claim and hand over; the slots are
    UMPIRE_<PROVIDER>_CONCURRENCY."""
    take_along: int = Field(16, ge=1, le=256)
    """Comparisons that one Celery task runs at most: its own, and others of its queue."""
    adaptive_concurrency: bool = True
    """Find out how many calls in flight, and how many starts a second, a provider bears, and keep to that, all workers
    together. UMPIRE_<PROVIDER>_CONCURRENCY stays the most that a process runs; off, it is what each runs."""
    drain_seconds: float = Field(125.0, ge=0)
    """On SIGTERM: how long calls in flight may take to finish, in seconds. Longer than UMPIRE_CALL_DEADLINE_SECONDS,
    nothing is cut off."""
    outbox_resend_seconds: float = Field(35.0, gt=0)
    """Age at which an unconfirmed result is sent again by the custodian, in seconds; longer than
    UMPIRE_KAFKA_DELIVERY_TIMEOUT_SECONDS."""
    rate_wait_seconds: float = Field(5.0, ge=0)
    """Longest wait for a rate limit within a slot, in seconds; a longer one closes the provider's gate."""


class SpoolSettings(Concern):
    spool_path: Path = Path("umpire-data/spool.sqlite3")
    """File in which an API host keeps what it accepts while Redis is away; shared by its API processes. Must be on a
    local disk, and outlive the processes."""
    queue_max_size: int = Field(1_000, ge=1)
    """Requests that the spool holds at most."""
    queue_max_memory_mb: float = Field(100.0, gt=0)
    """Megabytes that the spool holds at most."""
    queue_high_watermark: float = Field(0.8, gt=0, le=1)
    """Share of either bound from which the spool answers 503 "Queue at capacity"."""
    queue_low_watermark: float = Field(0.6, ge=0, lt=1)
    """Share to which it must have drained before it accepts again."""
    spool_drain_rate: float = Field(500.0, gt=0)
    """Requests a second that are moved from the spool into the ledger when Redis is back."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.queue_low_watermark >= self.queue_high_watermark:
            raise ValueError("UMPIRE_QUEUE_LOW_WATERMARK must be below UMPIRE_QUEUE_HIGH_WATERMARK")
        return self
