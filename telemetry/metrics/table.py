"""All metrics, with their help texts: TABLE, updated by notes, and GAUGES, read at each scrape."""

from dataclasses import dataclass

PREFIX = "llm_provider_"

#: Seconds. Ten buckets below 0.5 s, where the service's own time lies; the rest for providers.
LATENCY_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5),
    *(0.75, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 120.0),
)
#: Seconds in a queue: up to the time to live.
WAIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 14400.0)


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] | None = None
    """If set, the metric is a histogram of the notes' values; otherwise a counter."""
    amount: bool = False
    """The counter grows by the note's value instead of by one."""
    level: bool = False
    """The metric is a gauge: the value of the last note."""

    @property
    def by_value(self) -> bool:
        return self.amount or self.level or self.buckets is not None


COMPARISONS = Metric(
    "comparisons_total",
    "Requests that ended in this process, by final status: completed, failed, expired or cancelled",
    ("provider", "status"),
)
CLAIM_DURATION = Metric(
    "comparison_duration_seconds",
    "Duration of a claim, by its outcome: completed, failed, deferred or returned",
    ("provider", "status"),
    LATENCY_BUCKETS,
)
UNKNOWN_ROWS = Metric("unknown_rows_total", "Records in Redis that this version cannot read and skips", ("kind",))

#: Note → metrics. A metric takes from the note's labels those that are named here.
TABLE: dict[str, tuple[Metric, ...]] = {
    "http.answered": (
        Metric("http_requests_total", "HTTP responses of the API", ("route", "status")),
        Metric("http_request_duration_seconds", "Duration of an HTTP request", ("route",), LATENCY_BUCKETS),
    ),
    "http.refused": (Metric("refusals_total", "HTTP requests that the API refused", ("error_code",)),),
    "key.refused": (Metric("key_refusals_total", "HTTP requests refused because of their API key", ("reason",)),),
    "key.remembered": (
        Metric(
            "keys_remembered_total",
            "Requests authenticated from the local copy of API keys while Redis was unavailable",
        ),
    ),
    "ledger.admitted": (Metric("admitted_total", "Comparison requests accepted", ("provider",)),),
    "record.unreadable": (UNKNOWN_ROWS,),
    "row.unknown": (UNKNOWN_ROWS,),
    "ledger.cancelled": (Metric("cancelled_total", "Requests cancelled before they started", ("provider",)),),
    "ledger.unavailable": (Metric("ledger_unavailable_total", "Requests for which Redis did not answer the API"),),
    "spool.accepted": (Metric("spool_accepted_total", "Requests accepted into the spool", ("provider",)),),
    "spool.drained": (Metric("spool_drained_total", "Requests moved from the spool into the ledger", amount=True),),
    "comparison.claimed": (
        Metric(
            "queue_wait_time_seconds",
            "Time that a request waited in its queue before the claim",
            ("provider",),
            WAIT_BUCKETS,
        ),
    ),
    # The end of a request by its claim, by another process, and the end of a claim without the request's.
    "comparison.finished": (COMPARISONS, CLAIM_DURATION),
    "comparison.ended": (COMPARISONS,),
    "comparison.released": (CLAIM_DURATION,),
    "comparison.deferred": (Metric("deferrals_total", "Requests deferred", ("provider", "error_code")),),
    "comparison.returned": (
        Metric("returns_total", "Requests released to their queue without using up a try", ("provider", "reason")),
    ),
    "call.finished": (
        Metric("calls_total", "Calls to a provider", ("provider", "outcome")),
        Metric("call_duration_seconds", "Duration of a provider call", ("provider", "outcome"), LATENCY_BUCKETS),
    ),
    "call.retry": (Metric("retries_total", "Provider calls repeated within a claim", ("error",)),),
    "call.tokens": (Metric("tokens_total", "Tokens used", ("provider", "kind"), amount=True),),
    "call.cost": (
        Metric(
            "cost_usd_total",
            "Cost of provider calls in USD, without calls of unknown price",
            ("provider",),
            amount=True,
        ),
    ),
    "callback.delivered": (Metric("comparison_callbacks_total", "Result events, by outcome", ("outcome",)),),
    "callback.failed": (Metric("comparison_callbacks_total", "Result events, by outcome", ("outcome",)),),
    "results.redelivered": (
        Metric("redeliveries_total", "Kept results that were put into the outbox again", amount=True),
    ),
    "callback.dead": (Metric("dead_letters_total", "Result events that became dead letters", ("reason",)),),
    "lifecycle.dropped": (Metric("lifecycle_dropped_total", "Lifecycle events that were dropped"),),
    "lease.lost": (Metric("leases_lost_total", "Leases lost while a call was running", ("provider",)),),
    "custodian.action": (
        Metric("custodian_actions_total", "Records that maintenance moved", ("action",), amount=True),
    ),
    "gate.changed": (Metric("gate_changes_total", "Changes of a worker's gate, by new state", ("provider", "state")),),
    "hold.changed": (Metric("hold_changes_total", "Changes of a provider's hold", ("provider", "hold")),),
    "ledger.sums_unwritten": (
        Metric("sums_unwritten_total", "Requests whose cost and counts Redis could not add to the totals", amount=True),
    ),
    "adaptive.concurrency": (
        Metric("concurrency_limit", "Adaptive limit: concurrent calls of all workers", ("provider",), level=True),
    ),
    "adaptive.rate": (
        Metric("start_rate_limit", "Adaptive limit: call starts a second of all workers", ("provider",), level=True),
    ),
    "adaptive.lowered": (Metric("limit_cuts_total", "Decreases of an adaptive limit", ("provider",)),),
    "error.unexpected": (Metric("unexpected_errors_total", "Unexpected errors of this service", ("where",)),),
}


_PROVIDER = ("provider",)

#: Gauges of shared state, the same for all processes: name → help and labels. API processes read them at each scrape.
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "ledger_up": ("1 if Redis answered this scrape", ()),
    "queue_depth": ("Waiting requests, by state: queued or deferred", ("provider", "state")),
    "unfinished": ("Accepted requests that have not ended", ()),
    "processing": ("Requests that a worker has claimed", ()),
    "books_difference": (
        "Requests accepted - ended - unfinished. Above 0: some are missing; below 0: some ended twice",
        (),
    ),
    "ledger_bytes": ("Bytes of unfinished requests and of results in the outbox", ()),
    "ledger_refusing": ("1 while the ledger is full and refuses requests", ()),
    "outbox": ("Results that Kafka has not confirmed", ()),
    "dead_letters_kept": ("Results that Kafka refused for good, kept in Redis", ()),
    "results_kept": ("Results kept for redelivery; an expired one counts until it is the oldest", ()),
    "results_kept_bytes": ("Bytes that they take in Redis", ()),
    "workers_alive": ("Worker processes with a fresh heartbeat", _PROVIDER),
    "available": ("1 if calls to the provider may start", _PROVIDER),
    "circuit_state": ("1 for the current state of the circuit breaker, else 0", ("provider", "state")),
    "on_hold": ("1 while the provider is on hold for this reason", ("provider", "reason")),
    "models_on_hold": ("Models of the provider that are on hold", _PROVIDER),
    "spool_requests": ("Requests in the spool of this host", ()),
    "spool_bytes": ("Bytes of the requests in the spool of this host", ()),
    "spool_refusing": ("1 while the spool is full and refuses requests", ()),
}
