"""Description and example of each field in /openapi.json. tests/service/test_openapi.py checks that none is missing.

The table is not part of the models, because every process builds the models at its start, and only a client that
requests the document needs the table.
"""

from typing import Any

_RESULTS = "huleedu.llm_provider.comparison_result.v1"
_TIME = "2026-11-21T11:02:48.335Z"
_MODEL = "claude-haiku-5-5"
_JUSTIFICATION = "Essay A gives reasons and evidence for each of its claims, where Essay B only states an opinion."
_PROMPT = "Which essay is better?\n\nEssay A:\nThe sea is wide.\n\nEssay B:\nThe sea, wide and grey, waits."
_METADATA = {"essay_a_id": "a-17", "essay_b_id": "b-04"}
_BLOCK = {"target": "user_content", "content": "Judge by evidence.", "cacheable": True, "ttl": "1h"}

#: Fields of one model: name → description and example.
_Fields = dict[str, tuple[str, Any]]

_QUEUE_ID: _Fields = {
    "queue_id": ("Id of the comparison; `request_id` of its event.", "5c9c1f0e-6f0b-4d57-9a38-8d6b0f6a1f11")
}
_CORRELATION_ID: _Fields = {
    "correlation_id": (
        "The correlation id of the request, or a new one if it had none.",
        "9af9b32d-fc64-4799-8f3e-bfa970974fe5",
    )
}
_TRACE_ID: _Fields = {
    "trace_id": ("Id of the W3C trace: the caller's, or a new one.", "4bf92f3577b34da6a3ce929d0e0e4736")
}
_TOKENS: _Fields = {
    "prompt_tokens": ("Tokens of the prompt.", 1165),
    "completion_tokens": ("Tokens of the answer, thinking included.", 85),
    "total_tokens": ("Sum of both.", 1250),
}
_STATUS: _Fields = {
    "name": ("The provider.", "anthropic"),
    "enabled": ("Whether requests may name it.", True),
    "available": ("Whether a call to it could start now.", True),
    "circuit_breaker_state": ("State of its circuit breaker.", "closed"),
    "default_model": ("Model of requests that name none.", _MODEL),
    "last_success": ("Time of the last successful call; null: none is known.", _TIME),
    "last_failure": ("Time of the last failed call; null: none is known.", _TIME),
    "failure_count": ("Failures that its circuit breaker counts now.", 0),
    "average_response_time_ms": ("Average response time of its latest calls, in milliseconds; null: unknown.", 1830.5),
    "hold_reason": ("Why the provider is on hold; null: it is not.", "spend_limit"),
    "hold_since": ("When the hold began.", _TIME),
    "last_error_code": ("The error code that caused the hold.", "LLM_COST_LIMIT_EXCEEDED"),
    "held_models": ("Models on hold, because the provider refuses them to the account.", ["claude-opus-5-5"]),
}
_REDELIVERED: _Fields = {
    "event_id": ("The event's id, the same at each delivery.", "3f3c5a0e-5a2b-5c51-8d0c-2f6f0d1f6a55"),
    "redelivery": ("How often it has been redelivered, this time included; the header `redelivery` of the event.", 1),
    "callback_topic": ("The topic of the event.", _RESULTS),
}
_REDELIVERY_ITEM: _Fields = {
    "index": ("Its place in `queue_ids`, from 0.", 0),
    **_QUEUE_ID,
    "status": ("`queued`: the event waits to be published; null: it was refused.", "queued"),
    **_REDELIVERED,
    "error": ("The problem; null: it will be published again.", None),
}
_MODEL_INFO: _Fields = {
    "model_id": ("Name of the model in requests.", _MODEL),
    "provider": ("Provider of the model.", "anthropic"),
    "display_name": ("Name for people.", "Claude Haiku 5.5"),
    "model_family": ("Family of the model.", "claude-haiku"),
    "max_tokens": ("Most tokens of an answer.", 128_000),
    "context_window": ("Most tokens of prompt and answer together.", 1_000_000),
    "supports_streaming": ("Whether the model can stream. The service does not use it.", True),
    "capabilities": ("Features by name, and whether the model has them.", {"structured_outputs": True}),
    "cost_per_1k_input_tokens": ("USD per 1,000 tokens of prompt; null: unknown.", 0.0001),
    "cost_per_1k_output_tokens": ("USD per 1,000 tokens of answer; null: unknown.", 0.0005),
    "is_deprecated": ("Whether its provider has announced its end.", False),
    "release_date": ("Date of release.", "2026-10-07"),
    "recommended_for": ("Uses that it is good for.", ["many comparisons at low cost"]),
}


def _example(fields: _Fields) -> dict[str, Any]:
    return {name: example for name, (_, example) in fields.items()}


_BATCH_ITEM: _Fields = {
    "index": ("Position of the comparison in the request, from 0.", 0),
    "queue_id": (
        "Id of the comparison; `request_id` of its event. Null: it was refused.",
        _QUEUE_ID["queue_id"][1],
    ),
    **_CORRELATION_ID,
    "status": ("`queued`; null: it was refused.", "queued"),
    "estimated_wait_minutes": ("An estimate from the queue before it; null: unknown.", 2),
    "result": ("Always null: a batch does not wait for verdicts.", None),
    "error": ("Why it was refused; null: it was accepted.", None),
}

#: Fields by model.
FIELDS: dict[str, _Fields] = {
    "LLMComparisonRequest": {
        "user_prompt": ("The whole prompt, including both essays. Its SHA-256 is in the result.", _PROMPT),
        "prompt_blocks": (
            "The same prompt in blocks, which are joined with blank lines and sent in place of `user_prompt`.",
            [_BLOCK, {"target": "user_content", "content": _PROMPT}],
        ),
        "callback_topic": ("Kafka topic for the result event.", _RESULTS),
        "llm_config_overrides": ("Settings of this call, in place of the defaults.", {"temperature_override": 0.2}),
        "correlation_id": (
            "An id of the caller's choice, and the key of the events on Kafka; a new one if missing.",
            _CORRELATION_ID["correlation_id"][1],
        ),
        "user_id": ("The user to whom cost events ascribe the comparison.", "teacher-42"),
        "metadata": ("Any JSON object. The result's `request_metadata` holds the same.", _METADATA),
        "processing_mode": (
            "What to do if the provider is unavailable. Default: the API key's mode, else the operator's.",
            "queue",
        ),
        "batching_mode": (
            "How to send it to the provider. Only `per_request` is served; `request_metadata.ignored` names another.",
            "per_request",
        ),
        "priority": ("0 to 10. A higher one is served earlier among the requests of its provider.", 5),
        "ttl_seconds": ("Seconds after which the request expires; at most the operator's limit.", 3600),
    },
    "PromptBlock": {
        "target": ("The part of the prompt that the block belongs to.", "user_content"),
        "content": ("Text of the block.", "Judge by evidence."),
        "cacheable": ("The provider may cache the prompt up to the end of this block.", True),
        "ttl": ("How long the provider's cache should keep it.", "1h"),
        "content_hash": ("A hash of the caller's choice; not used.", "sha256:9f86d081"),
    },
    "LLMConfigOverridesHTTP": {
        "provider_override": ("Provider, in place of the operator's default.", "anthropic"),
        "model_override": ("Model, by its `model_id` in GET /api/v1/models.", _MODEL),
        "temperature_override": ("Sampling temperature; ignored if the model does not support it.", 0.2),
        "system_prompt_override": ("System prompt, in place of the service's own.", "You are a strict examiner."),
        "max_tokens_override": ("Most tokens of the answer, thinking included.", 1000),
        "reasoning_effort": ("How much the model thinks; ignored if the model does not support it.", "low"),
        "output_verbosity": ("How long the answer is; ignored if the model does not support it.", "low"),
    },
    "LLMComparisonResponse": {
        **_QUEUE_ID,
        "winner": ("The better essay.", "Essay A"),
        "justification": ("The model's reason, at most 500 characters.", _JUSTIFICATION),
        "confidence": ("The model's confidence, from 1 (a guess) to 5 (certain).", 4.0),
        "provider": ("The provider that was called.", "anthropic"),
        "model": ("The model that judged, by its provider's name for it.", _MODEL),
        "response_time_ms": ("Milliseconds from the first attempt to the verdict.", 1830),
        "token_usage": ("Tokens of all calls of the comparison.", _example(_TOKENS)),
        "cost_estimate": ("USD of all calls of the comparison; null: the price is unknown.", 0.000159),
        **_CORRELATION_ID,
        **_TRACE_ID,
        "metadata": ("The request's metadata, and entries of the service.", {**_METADATA, "attempts": 1}),
    },
    "TokenUsage": _TOKENS,
    "LLMQueuedResponse": {
        **_QUEUE_ID,
        "status": ("Always `queued`.", "queued"),
        "message": (
            "The topic of the verdict, and the reason of a delay if it is known.",
            f"Accepted; the verdict will be published on {_RESULTS}",
        ),
        "estimated_wait_minutes": ("An estimate from the queue before it; null: unknown.", 2),
        **_CORRELATION_ID,
        **_TRACE_ID,
        "provider_state": (
            "`available`, `on_hold`, `circuit_open`, `circuit_half_open` or `paused`; null: unknown.",
            "available",
        ),
    },
    "LLMBatchRequest": {
        "comparisons": (
            "The comparisons, each with its own topic, metadata and settings.",
            [{"user_prompt": _PROMPT, "callback_topic": _RESULTS, "metadata": _METADATA}],
        )
    },
    "LLMBatchItem": _BATCH_ITEM,
    "LLMBatchResponse": {
        "accepted": ("Number of accepted comparisons.", 1),
        "refused": ("Number of refused comparisons.", 0),
        "message": (
            "The same in words.",
            "1 of 1 accepted; each verdict will be published on its callback topic",
        ),
        "items": ("What became of each comparison, in the order of the request.", [_example(_BATCH_ITEM)]),
    },
    "LLMCancelledResponse": {
        **_QUEUE_ID,
        "status": ("Always `cancelled`.", "cancelled"),
        "message": ("The topic of the error result.", f"Cancelled; an error result will be published on {_RESULTS}"),
    },
    "LLMRedeliveryRequest": {
        "queue_ids": ("Ids of comparisons that have ended, each once.", [_QUEUE_ID["queue_id"][1]])
    },
    "LLMRedeliveredResponse": {
        **_QUEUE_ID,
        "status": ("Always `queued`: the event waits to be published.", "queued"),
        **_REDELIVERED,
        "message": ("The topic of the event.", f"The result will be published again on {_RESULTS}"),
    },
    "LLMRedeliveryItem": _REDELIVERY_ITEM,
    "LLMRedeliveryResponse": {
        "accepted": ("Number of results that will be published again.", 1),
        "refused": ("Number of the others.", 0),
        "message": ("The same in words.", "1 of 1 results will be published again"),
        "items": ("What became of each, in the order of `queue_ids`.", [_example(_REDELIVERY_ITEM)]),
    },
    "LLMProviderStatus": _STATUS,
    "LLMProviderListResponse": {
        "providers": ("All providers, enabled or not.", [_example(_STATUS)]),
        "default_provider": ("Provider of requests that name none.", "anthropic"),
        "selection_strategy": ("How a request's provider is selected.", "override_else_default"),
        "total_requests_today": ("Comparisons that ended since midnight UTC; with an API key, those of the key.", 132),
        "total_cost_today": ("Their cost in USD.", 0.021),
    },
    "ModelInfoResponse": _MODEL_INFO,
    "ModelManifestResponse": {
        "providers": ("Models by provider.", {"anthropic": [_example(_MODEL_INFO)]}),
        "total_models": ("Number of models in the list.", 1),
    },
    "HealthCheckResponse": {
        "status": ("`alive` (/healthz) or `ready` (/readyz).", "ready"),
        "service": ("Name of the service.", "llm_provider_service"),
        "version": ("Version of the service.", "0.1.0"),
        "dependencies": ("The state of each dependency.", {"redis": {"state": "up"}}),
    },
    "ProviderTestResponse": {
        "provider": ("The provider that was tested.", "anthropic"),
        "model": ("The model that was tested.", _MODEL),
        "ok": ("Whether the provider gave a verdict.", True),
        "response_time_ms": ("Duration of the test in milliseconds.", 1830),
        "error_code": ("Code of the error; null: no error.", "LLM_PROVIDER_TIMEOUT"),
        "detail": ("The error in words; null: no error.", "no result within 25 s; the comparison continues"),
    },
    "Problem": {
        "type": ("Kind of problem: /problems/ and its name in docs/errors.md.", "/problems/queue-full"),
        "title": ("Kind of problem in words.", "Queue at capacity"),
        "status": ("HTTP status.", 503),
        "detail": ("What happened to this request.", "Queue at capacity"),
        "instance": ("Path of the request.", "/api/v1/comparison"),
        "error": ("Same as `detail`.", "Queue at capacity"),
        "error_code": ("Error code.", "LLM_QUEUE_FULL"),
        "message": ("Same as `detail`.", "Queue at capacity"),
        **_CORRELATION_ID,
        "timestamp": ("Time of the error.", _TIME),
        "service": ("Name of the service.", "llm_provider_service"),
        "operation": ("Operation that failed.", "submit_comparison"),
        "details": ("Facts for programs; which ones depends on the error.", {"size": 200_000}),
        "is_retryable": ("Whether the same request may succeed later.", True),
        "queue_id": (
            "Present if the comparison was accepted: its event has been or will be published.",
            _QUEUE_ID["queue_id"][1],
        ),
    },
}


def add_descriptions(schemas: dict[str, Any]) -> None:
    """Give each field of `schemas` (model → JSON Schema) its description and example."""
    for model, fields in FIELDS.items():
        properties = schemas[model]["properties"]
        for name, (description, example) in fields.items():
            properties[name] |= {"description": description, "examples": [example]}
