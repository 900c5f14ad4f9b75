"""What /openapi.json says of redelivery: see openapi.py."""

from typing import Any

from service.idempotency import KEY_PATTERN
from service.routes.openapi import PROBLEMS, REPLAYED, RETRY_AFTER, problem_response, ref

_EVENT_ID = "3f3c5a0e-5a2b-5c51-8d0c-2f6f0d1f6a55"
_REDELIVERED_EXAMPLE = {
    "queue_id": "5c9c1f0e-6f0b-4d57-9a38-8d6b0f6a1f11",
    "status": "queued",
    "event_id": _EVENT_ID,
    "redelivery": 1,
    "callback_topic": "huleedu.llm_provider.comparison_result.v1",
    "message": "The result will be published again on huleedu.llm_provider.comparison_result.v1",
}
_REDELIVERY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A unique name for this request. A repetition with the same key publishes no result twice; results "
    "that were refused are tried again. The service remembers it for a day, unless the operator has set another time.",
    "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
    "example": "5f0e3c1c-6d0a-4b6f-9a0f-3b1f1d1c7a11",
}
_REDELIVERY_PROBLEMS: dict[int | str, dict[str, Any]] = {
    404: problem_response("No comparison with this `queue_id` is known."),
    409: problem_response("The comparison has not ended. `details.state` is its state."),
    410: problem_response("The result is not kept, or not any more."),
    **PROBLEMS,
    422: problem_response(
        "The request is invalid (`details.errors` names the fields), the callback topic is not allowed any more, or "
        "the Idempotency-Key was used for another result."
    ),
    503: problem_response(
        "Redis is unavailable, or too many results wait for Kafka. Nothing was redelivered, or Redis gave no answer: "
        "try again.",
        headers=RETRY_AFTER,
    ),
}
REDELIVERY: dict[str, Any] = {
    "summary": "Publish a result again",
    "description": (
        "Publishes the result event of a comparison that has ended on its callback topic again: the same bytes, key, "
        "headers and `event_id`, and the header `redelivery` with the number of the redelivery. Consumers drop a "
        "repeated event by its `event_id`. No provider is called. Results are kept for a time that the operator sets "
        "(UMPIRE_RESULTS_KEEP_SECONDS), by default not at all."
    ),
    "status_code": 202,
    "response_description": "The result will be published again.",
    "responses": {
        202: {
            "content": {"application/json": {"schema": ref("LLMRedeliveredResponse"), "example": _REDELIVERED_EXAMPLE}},
            "headers": REPLAYED,
        },
        **_REDELIVERY_PROBLEMS,
    },
    "openapi_extra": {"parameters": [_REDELIVERY_KEY]},
}
REDELIVERIES: dict[str, Any] = {
    "summary": "Publish up to 200 results again",
    "description": (
        "As the redelivery of one result, for each of `queue_ids`. `items` says what became of each, in the same "
        "order. If no result can be redelivered, the answer is the problem of the first one, with `items` in it."
    ),
    "status_code": 202,
    "response_description": "All results will be published again.",
    "responses": {
        202: {"content": {"application/json": {"schema": ref("LLMRedeliveryResponse")}}, "headers": REPLAYED},
        207: {
            "description": "Some results will be published again; `items` has the problems of the others.",
            "content": {"application/json": {"schema": ref("LLMRedeliveryResponse")}},
            "headers": {**REPLAYED, **RETRY_AFTER},
        },
        408: problem_response("The body did not arrive in time."),
        413: problem_response("The body is too long."),
        415: problem_response("The headers declare a body that is not JSON, or is compressed."),
        **_REDELIVERY_PROBLEMS,
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": ref("LLMRedeliveryRequest"),
                    "example": {"queue_ids": [_REDELIVERED_EXAMPLE["queue_id"]]},
                }
            },
        },
        "parameters": [_REDELIVERY_KEY],
    },
}
