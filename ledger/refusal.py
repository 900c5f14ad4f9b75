"""The negative answers of admit.lua, and the error that each stands for."""

from contracts.clock import until_midnight, utcnow
from contracts.errors import CostLimitReached, IdempotencyConflict, QueueFull, QuotaExceeded, UmpireError

TOO_MANY, TOO_LARGE, CONFLICT, LATE, TOO_MANY_OWNED, SPENT, CROWDED = range(-1, -8, -1)

#: Retry-After of a full ledger, in seconds. Fixed: the API does not know how fast the workers reduce the backlog.
FULL_RETRY_SECONDS = 10.0

#: The same for the unfinished requests of one API key, one of which may end at any time.
OWNED_RETRY_SECONDS = 5.0


def refusal(answer: int, held: int) -> UmpireError:
    """`held`: requests in the ledger."""
    if answer == CONFLICT:
        return IdempotencyConflict(
            "This Idempotency-Key was used before with another body; the request was not accepted."
        )
    if answer == TOO_MANY_OWNED:
        detail = "This API key has reached its limit of unfinished comparisons; try again when one has ended."
        return QuotaExceeded(detail, retry_after=OWNED_RETRY_SECONDS, limit="max_queued")
    if answer == SPENT:
        return cost_limit_reached()
    limit = {TOO_MANY: "requests", CROWDED: "provider"}.get(answer, "memory")
    return QueueFull("Queue at capacity", retry_after=FULL_RETRY_SECONDS, limit=limit, size=held)


def cost_limit_reached() -> CostLimitReached:
    detail = "This API key has reached its cost limit for today (UTC)."
    return CostLimitReached(detail, retry_after=until_midnight(utcnow()), limit="daily_cost")
