"""Description and example of each field in /openapi.json. tests/service/test_openapi.py checks that none is missing.

A table, not part of the models: every process builds the models at its start, and this is needed only when a client
requests the document.
"""

from typing import Any

_RESULTS = "huleedu.llm_provider.comparison_result.v1"
_ID, _CORRELATION = "5c9c1f0e-6f0b-4d57-9a38-8d6b0f6a1f11", "9af9b32d-fc64-4799-8f3e-bfa970974fe5"
_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_TIME = "2026-11-21T11:02:48.335Z"
_MODEL = "claude-haiku-5-5"
_JUSTIFICATION = "Essay A gives reasons and evidence for each of its claims, where Essay B only states an opinion."
_PROMPT = "Which essay is better?\n\nEssay A:\nThe sea is wide.\n\nEssay B:\nThe sea, wide and grey, waits."
_USAGE = {"prompt_tokens": 1165, "completion_tokens": 85, "total_tokens": 1250}
_METADATA = {"essay_a_id": "a-17", "essay_b_id": "b-04"}
_BLOCK = {"target": "user_content", "content": "Judge by evidence.", "cacheable": True, "ttl": "1h"}
_STATUS = {
    "name": "anthropic",
    "enabled": True,
    "available": True,
    "circuit_breaker_state": "closed",
    "failure_count": 0,
}
_INFO = {
    "model_id": _MODEL,
    "provider": "anthropic",
    "display_name": "Claude Haiku 5.5",
    "model_family": "claude-haiku",
    "max_tokens": 128_000,
    "context_window": 1_000_000,
    "supports_streaming": True,
    "capabilities": {"structured_outputs": True},
    "cost_per_1k_input_tokens": 0.0001,
    "cost_per_1k_output_tokens": 0.0005,
    "is_deprecated": False,
    "recommended_for": ["many comparisons at low cost"],
}

#: Model → field → its description and an example.
FIELDS: dict[str, dict[str, tuple[str, Any]]] = {
    "LLMComparisonRequest": {
        "user_prompt": ("The whole prompt, both essays inside. Its SHA-256 is in the result.", _PROMPT),
        "prompt_blocks": (
            "The same prompt in parts, joined with a blank line; what is sent to the provider when present.",
            [_BLOCK, {"target": "user_content", "content": _PROMPT}],
        ),
        "callback_topic": ("Kafka topic that the one result event goes to.", _RESULTS),
        "llm_config_overrides": ("Choices for this call, in place of the defaults.", {"temperature_override": 0.2}),
        "correlation_id": ("Id of the caller's own; the key of its events. Made when missing.", _CORRELATION),
        "user_id": ("Whose comparison it is, for cost events.", "teacher-42"),
        "metadata": ("Any JSON object; comes back verbatim in the result's `request_metadata`.", _METADATA),
        "processing_mode": (
            "What an unavailable provider means. Without it: the API key's mode, else the operator's default.",
            "queue",
        ),
        "batching_mode": ("How it may be sent to the provider; only `per_request` is served.", "per_request"),
        "priority": ("0 to 10; higher is more urgent, among the requests of its provider.", 5),
        "ttl_seconds": ("Seconds after which it expires unjudged; at most the operator's limit.", 3600),
    },
    "PromptBlock": {
        "target": ("The part of the prompt that it belongs to.", "user_content"),
        "content": ("Its text.", "Judge by evidence."),
        "cacheable": ("The provider may cache the prompt up to the end of this block.", True),
        "ttl": ("How long the provider's cache should keep it.", "1h"),
        "content_hash": ("Of the caller's own; not used.", "sha256:9f86d081"),
    },
    "LLMConfigOverridesHTTP": {
        "provider_override": ("Provider to ask, in place of the operator's default.", "anthropic"),
        "model_override": ("Model to ask, as GET /api/v1/models names it.", _MODEL),
        "temperature_override": ("Sampling temperature; left out where the model takes none.", 0.2),
        "system_prompt_override": ("System prompt, in place of the service's own.", "You are a strict examiner."),
        "max_tokens_override": ("Most tokens of the answer, thinking included.", 1000),
        "reasoning_effort": ("How much the model thinks; left out where it cannot be chosen.", "low"),
        "output_verbosity": ("How long the answer is; left out where it cannot be chosen.", "low"),
    },
    "LLMComparisonResponse": {
        "queue_id": ("Id of the comparison; `request_id` of its event.", _ID),
        "winner": ("The better essay.", "Essay A"),
        "justification": ("What decided, in the model's words; at most 500 characters.", _JUSTIFICATION),
        "confidence": ("1 (a guess) to 5 (certain), as the model said it.", 4.0),
        "provider": ("Who judged.", "anthropic"),
        "model": ("The model that judged, as its provider names it.", _MODEL),
        "response_time_ms": ("Milliseconds from the first attempt to the verdict.", 1830),
        "token_usage": ("Tokens of all its calls.", _USAGE),
        "cost_estimate": ("USD of all its calls; null: the price is not known.", 0.000159),
        "correlation_id": ("The caller's, or the one that was made.", _CORRELATION),
        "trace_id": ("Of the W3C trace: the caller's, or a new one.", _TRACE),
        "metadata": ("The request's metadata, and what the service adds.", {**_METADATA, "attempts": 1}),
    },
    "TokenUsage": {
        "prompt_tokens": ("Tokens of the prompt.", 1165),
        "completion_tokens": ("Tokens of the answer, thinking included.", 85),
        "total_tokens": ("Both.", 1250),
    },
    "LLMQueuedResponse": {
        "queue_id": ("Id of the comparison; `request_id` of its event.", _ID),
        "status": ("Always `queued`.", "queued"),
        "message": ("Where the verdict comes, and why it takes time, if that is known.", f"Accepted for {_RESULTS}"),
        "estimated_wait_minutes": ("A guess from the queue before it; null: cannot be told.", 2),
        "correlation_id": ("The caller's, or the one that was made.", _CORRELATION),
        "trace_id": ("Of the W3C trace: the caller's, or a new one.", _TRACE),
        "provider_state": (
            "`available`, `on_hold`, `circuit_open`, `circuit_half_open` or `paused`; null: not known.",
            "available",
        ),
    },
    "LLMCancelledResponse": {
        "queue_id": ("Id of the comparison.", _ID),
        "status": ("Always `cancelled`.", "cancelled"),
        "message": ("Where the error result goes.", f"Cancelled; {_RESULTS} gets an error result"),
    },
    "LLMProviderStatus": {
        "name": ("The provider.", "anthropic"),
        "enabled": ("Whether requests may name it.", True),
        "available": ("Whether a call would be made now.", True),
        "circuit_breaker_state": ("Of its circuit breaker.", "closed"),
        "default_model": ("Model of requests that name none.", _MODEL),
        "last_success": ("When a call succeeded last; null: none is known.", _TIME),
        "last_failure": ("When a call failed last; null: none is known.", _TIME),
        "failure_count": ("Failures that its circuit breaker counts now.", 0),
        "average_response_time_ms": ("Of its latest calls, in milliseconds; null: not known.", 1830.5),
        "hold_reason": ("Why its account takes no calls; null: it is not on hold.", "spend_limit"),
        "hold_since": ("Since when it is on hold.", _TIME),
        "last_error_code": ("The code that put it on hold.", "LLM_COST_LIMIT_EXCEEDED"),
        "held_models": ("Models that the provider refuses the account.", ["claude-opus-5-5"]),
    },
    "LLMProviderListResponse": {
        "providers": ("All of them, enabled or not.", [_STATUS]),
        "default_provider": ("Provider of requests that name none.", "anthropic"),
        "selection_strategy": ("How a request's provider is chosen.", "override_else_default"),
        "total_requests_today": ("Comparisons that ended since midnight UTC; with an API key: its own.", 132),
        "total_cost_today": ("Their cost in USD.", 0.021),
    },
    "ModelInfoResponse": {
        "model_id": ("Its name in requests.", _MODEL),
        "provider": ("Whose it is.", "anthropic"),
        "display_name": ("Its name for people.", "Claude Haiku 5.5"),
        "model_family": ("Its family.", "claude-haiku"),
        "max_tokens": ("Most tokens of an answer.", 128_000),
        "context_window": ("Most tokens of prompt and answer.", 1_000_000),
        "supports_streaming": ("Whether it can stream; the service does not.", True),
        "capabilities": ("What it takes, by name.", {"structured_outputs": True, "temperature": False}),
        "cost_per_1k_input_tokens": ("USD per 1,000 tokens of prompt; null: not known.", 0.0001),
        "cost_per_1k_output_tokens": ("USD per 1,000 tokens of answer; null: not known.", 0.0005),
        "is_deprecated": ("Its provider has announced its end.", False),
        "release_date": ("When it came out.", "2026-10-07"),
        "recommended_for": ("What it is good for.", ["many comparisons at low cost"]),
    },
    "ModelManifestResponse": {
        "providers": ("Models by provider.", {"anthropic": [_INFO]}),
        "total_models": ("How many are listed.", 1),
    },
    "HealthCheckResponse": {
        "status": ("`alive` (/healthz) or `ready` (/readyz).", "ready"),
        "service": ("Name of the service.", "llm_provider_service"),
        "version": ("Its version.", "0.1.0"),
        "dependencies": ("What it needs, and the state of each.", {"redis": {"state": "up"}}),
    },
    "ProviderTestResponse": {
        "provider": ("The provider that was tried.", "anthropic"),
        "model": ("The model that was tried.", _MODEL),
        "ok": ("Whether a verdict came.", True),
        "response_time_ms": ("Milliseconds that it took.", 1830),
        "error_code": ("How it failed; null: it did not.", "LLM_PROVIDER_TIMEOUT"),
        "detail": ("The error in words; null: it did not fail.", "no answer within 25 s"),
    },
    "Problem": {
        "type": ("Kind of problem: /problems/ and its name in docs/errors.md.", "/problems/queue-full"),
        "title": ("The kind in words.", "Queue at capacity"),
        "status": ("The HTTP status.", 503),
        "detail": ("What happened to this request.", "Queue at capacity"),
        "instance": ("The path that was asked for.", "/api/v1/comparison"),
        "error": ("As `detail`.", "Queue at capacity"),
        "error_code": ("The typed error.", "LLM_QUEUE_FULL"),
        "message": ("As `detail`.", "Queue at capacity"),
        "correlation_id": ("The caller's, or the one that was made.", _CORRELATION),
        "timestamp": ("When it happened.", _TIME),
        "service": ("Name of the service.", "llm_provider_service"),
        "operation": ("What was being done.", "submit_comparison"),
        "details": ("Facts for a program to read; which ones depends on the error.", {"size": 200_000}),
        "is_retryable": ("Whether the same request may succeed later.", True),
        "queue_id": ("There when the comparison was accepted: its event comes, or has come.", _ID),
    },
}


def explain(schemas: dict[str, Any]) -> None:
    """Give each field of `schemas` (model → JSON Schema) its description and example."""
    for model, fields in FIELDS.items():
        properties = schemas[model]["properties"]
        for name, (description, example) in fields.items():
            properties[name] |= {"description": description, "examples": [example]}
