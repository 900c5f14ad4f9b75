"""What /openapi.json says of POST /api/v1/comparison/batch: see openapi.py."""

from typing import Any

from service.idempotency import KEY_PATTERN
from service.routes.openapi import (
    PROBLEMS,
    QUEUED_EXAMPLE,
    REPLAYED,
    REQUEST_EXAMPLE,
    RETRY_AFTER,
    TRACEPARENT,
    problem_response,
    ref,
)

_BATCH_EXAMPLE = {
    "accepted": 1,
    "refused": 0,
    "message": "1 of 1 accepted; each verdict will be published on its callback topic",
    "items": [
        {
            "index": 0,
            "queue_id": QUEUED_EXAMPLE["queue_id"],
            "correlation_id": "9af9b32d-fc64-4799-8f3e-bfa970974fe5",
            "status": "queued",
            "estimated_wait_minutes": 2,
            "result": None,
            "error": None,
        }
    ],
}
BATCH: dict[str, Any] = {
    "summary": "Submit up to 200 comparisons",
    "description": (
        "Each comparison is accepted or refused separately. `items` holds the `queue_id` or the `error` of each, in "
        "the order of the request. 202: all are accepted; 207: some are; if none is, the answer is a problem with the "
        "status of the first one, and with `items`. A list that is itself invalid (no JSON, empty, more than 200, "
        "too long) is a problem without `items`.\n\n"
        "A batch does not wait for verdicts: a comparison with `processing_mode` `immediate` is refused, and every "
        "other mode means `queue`. For the API key's request rate, a batch counts as as many requests as it has "
        "comparisons; a rate that does not allow all of them refuses the batch (429).\n\n"
        "With an `Idempotency-Key`, a batch that is sent again is not accepted twice: comparisons that were accepted "
        "before get their first `queue_id`, those that were refused are tried again, and one that has changed since "
        "is refused (LLM_IDEMPOTENCY_CONFLICT). While Redis is unavailable, batches with a key are refused (503)."
    ),
    "status_code": 202,
    "response_description": "All comparisons are accepted; each verdict will be published on its callback topic.",
    "responses": {
        202: {
            "content": {"application/json": {"schema": ref("LLMBatchResponse"), "example": _BATCH_EXAMPLE}},
            "headers": REPLAYED,
        },
        207: {
            "description": "Some comparisons are accepted, others refused.",
            "content": {"application/json": {"schema": ref("LLMBatchResponse")}},
            "headers": {**REPLAYED, **RETRY_AFTER},
        },
        408: problem_response("The body did not arrive in time."),
        413: problem_response("The body is too long, or the first of the comparisons, all of which are refused, is."),
        415: problem_response("The headers declare a body that is not JSON, or is compressed."),
        **PROBLEMS,
        422: problem_response("The list is invalid, or the first of the comparisons, all of which are refused, is."),
        503: problem_response(
            "No comparison was accepted: the queue is full, or Redis is unavailable.", headers=RETRY_AFTER
        ),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": ref("LLMBatchRequest"),
                    "example": {"comparisons": [REQUEST_EXAMPLE]},
                }
            },
        },
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "A unique name for this batch. Each comparison has it together with its position.",
                "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
                "example": "c1b3f5a0-7f0e-4a51-9a2e-3d1c5f3e9b77",
            },
            TRACEPARENT,
        ],
    },
}
