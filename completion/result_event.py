"""Builds the result event of a request, and the completion record that holds it. Pure functions."""

from completion.judgement import Judgement
from contracts.clock import utcnow
from contracts.enums import HOLD_CODES, ON_KAFKA, HoldReason, LLMErrorCode, QueueStatus
from contracts.errors import UmpireError
from contracts.events import ErrorDetail, LLMComparisonResultV1
from contracts.settings import KafkaSettings
from contracts.trace import trace_id
from events.envelope import seal_result
from events.headers import Headers, headers_of
from ledger.completion import CompletedBy, Completion
from ledger.request import StoredRequest

#: `operation` of an error that a comparison ended in.
OPERATION = "compare"


def code_on_kafka(error: UmpireError) -> LLMErrorCode:
    """The error's code on Kafka, one of the first fifteen. A request that expired on hold has the code of that hold."""
    hold = error.details.get("hold") if error.code is LLMErrorCode.REQUEST_EXPIRED else None
    if hold in {HoldReason.MISCONFIGURED.value, HoldReason.SPEND_LIMIT.value}:
        return HOLD_CODES[HoldReason(hold)]
    return ON_KAFKA.get(error.code, error.code)


def error_detail(stored: StoredRequest, error: UmpireError) -> ErrorDetail:
    """The error as sent to Kafka, with one of the first fifteen codes; any other code goes into `details.reason`."""
    code = code_on_kafka(error)
    details = {**error.details, "is_retryable": error.retryable}
    if error.retry_after is not None:
        details["retry_after"] = error.retry_after
    if code is not error.code:
        details["reason"] = error.code.value
    return ErrorDetail(
        error_code=code,
        message=error.message,
        correlation_id=stored.correlation_id,
        timestamp=utcnow(),
        operation=OPERATION,
        details=details,
        trace_id=trace_id(stored.traceparent),
    )


def result_of(stored: StoredRequest, judgement: Judgement, prompt_sha256: str) -> LLMComparisonResultV1:
    spent = judgement.spent
    return LLMComparisonResultV1(
        request_id=str(stored.queue_id),
        correlation_id=stored.correlation_id,
        winner=judgement.winner,
        justification=judgement.justification,
        confidence=judgement.confidence,
        error_detail=error_detail(stored, judgement.error) if judgement.error else None,
        provider=stored.provider,
        model=judgement.model,
        response_time_ms=round(judgement.seconds * 1000),
        token_usage=spent.usage,
        cost_estimate=spent.cost,
        requested_at=stored.requested_at,
        completed_at=utcnow(),
        trace_id=trace_id(stored.traceparent),
        # The caller's keys override ours.
        request_metadata={
            "prompt_sha256": prompt_sha256,
            "attempts": spent.attempts,
            "normalised": list(judgement.normalised),
            "ignored": list(judgement.ignored),
            "cost_known": spent.cost_known,
            **stored.request.metadata,
        },
    )


def completion_of(
    stored: StoredRequest,
    judgement: Judgement,
    state: QueueStatus,
    by: CompletedBy,
    *,
    prompt_sha256: str,
    settings: KafkaSettings,
) -> tuple[Completion, Headers]:
    """The completion record, and the Kafka headers of its event."""
    result = result_of(stored, judgement, prompt_sha256)
    event = seal_result(result, settings, traceparent=stored.traceparent)
    queue_id = str(stored.queue_id)
    record = Completion(
        queue_id=queue_id,
        state=state,
        by=by,
        topic=stored.request.callback_topic,
        key=event.correlation_id,
        event=event.value,
        cost=judgement.spent.cost,
        code=judgement.error.code.value if judgement.error else "-",
    )
    return record, headers_of(event, queue_id)
