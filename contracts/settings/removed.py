"""Settings that were removed, and the line that a start with one of them ends in."""

_UNSET = "is no setting any more: {}. Remove it from the environment"

#: Name of a removed setting → what replaced it, and what to do.
REMOVED: dict[str, str] = {
    name: _UNSET.format(fixed)
    for name, fixed in {
        "UMPIRE_ATTEMPT_TIMEOUT_SECONDS": (
            "one call may take 90 % of UMPIRE_CALL_DEADLINE_SECONDS divided by UMPIRE_RETRY_ATTEMPTS"
        ),
        "UMPIRE_BODY_SECONDS": "a request's body may take 30 seconds to arrive",
        "UMPIRE_BREAKER_SUCCESSES": "one successful probe closes a breaker",
        "UMPIRE_BREAKER_WINDOW_SECONDS": "the breaker counts the calls of 60 seconds",
        "UMPIRE_DEFER_SECONDS": "a deferred request waits 5, 30, then 120 seconds, UMPIRE_QUEUE_MAX_RETRIES times",
        "UMPIRE_DOOR_REDIS_SECONDS": "the API waits for Redis for 1 second",
        "UMPIRE_KAFKA_LINGER_MS": "results are sent at once, and those of up to 20 ms together under load",
        "UMPIRE_KAFKA_UNKNOWN_TOPIC_SECONDS": "a result for an unknown topic becomes a dead letter after 60 seconds",
        "UMPIRE_LEASE_SECONDS": "a lease lasts 30 seconds",
        "UMPIRE_LEDGER_HIGH_WATERMARK": "the bounds are UMPIRE_LEDGER_MAX_SIZE and UMPIRE_LEDGER_MAX_MEMORY_MB",
        "UMPIRE_LEDGER_LOW_WATERMARK": "a full ledger accepts again below 90 % of UMPIRE_LEDGER_MAX_SIZE",
        "UMPIRE_LEDGER_PROVIDER_SHARE": "one of several providers may fill 80 % of UMPIRE_LEDGER_MAX_SIZE",
        "UMPIRE_LOST_POINTER_SECONDS": "a lost pointer is pushed again after 15 seconds",
        "UMPIRE_MAX_INFLIGHT_BODY_MB": "one API process holds at most 32 MB of large request bodies",
        "UMPIRE_MAX_LAPSES": "a request fails when its lease lapses for the fifth time",
        "UMPIRE_MOCK_API_KEY": "the mock provider has no API key; UMPIRE_MOCK_ENABLED=true enables it",
        "UMPIRE_MOCK_BASE_URL": "the mock provider makes no network calls",
        "UMPIRE_MOCK_RPM": "the mock provider has no rate limit; UMPIRE_MOCK_CONCURRENCY bounds its calls",
        "UMPIRE_MOCK_STRENGTH_SPREAD": "the mock draws strengths with a standard deviation of 2 logits",
        "UMPIRE_MOCK_TPM": "the mock provider has no rate limit; UMPIRE_MOCK_CONCURRENCY bounds its calls",
        "UMPIRE_OUTBOX_RESEND_SECONDS": "an unconfirmed result is sent again after 35 seconds",
        "UMPIRE_RATE_WAIT_SECONDS": "a slot waits at most 5 seconds for a rate limit",
        "UMPIRE_RECORD_MAX_DAYS": "recorded calls are deleted after 7 days",
        "UMPIRE_RECORD_MAX_FILES": "the newest 1,000 recorded calls are kept",
        "UMPIRE_RETRY_AFTER_MAX_SECONDS": "a claim waits for a Retry-After of at most 10 seconds",
        "UMPIRE_RETRY_INITIAL_SECONDS": "the first wait between two calls is at most 0.5 seconds",
        "UMPIRE_SPOOL_DRAIN_RATE": "the spool drains at 500 requests a second",
        "UMPIRE_TAKE_ALONG": "one Celery task claims up to 16 requests",
        "UMPIRE_WORKER_THREADS": "set UMPIRE_<PROVIDER>_CONCURRENCY, the slots of a worker process",
    }.items()
}
