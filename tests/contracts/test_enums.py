"""Enums equal the table that other services parse us by."""

import pytest

from contracts import enums
from contracts.enums import ON_KAFKA, LLMErrorCode

TABLE = {
    "LLMProviderType": "anthropic, openai, google, openrouter, mock",
    "LLMBatchingMode": "per_request, serial_bundle, provider_batch_api",
    "ProcessingMode": "queue_if_unavailable, immediate, queue",
    "QueueStatus": "queued, processing, completed, expired, failed, cancelled",
    "QueueEvent": "QUEUE_REQUEST_QUEUED, QUEUE_REQUEST_PROCESSING, QUEUE_REQUEST_COMPLETED, QUEUE_REQUEST_FAILED, "
    "QUEUE_REQUEST_EXPIRED, QUEUE_REQUEST_CANCELLED",
    "EssayComparisonWinner": "Essay A, Essay B",
    "CircuitState": "closed, open, half_open",
    "PromptTarget": "system, user_content",
    "ReasoningEffort": "none, low, medium, high",
    "OutputVerbosity": "low, medium, high",
}

FIRST_FIFTEEN = [
    "LLM_PROVIDER_UNAVAILABLE",
    "LLM_PROVIDER_RATE_LIMIT",
    "LLM_PROVIDER_TIMEOUT",
    "LLM_PROVIDER_API_ERROR",
    "LLM_INVALID_PROMPT",
    "LLM_CONTENT_TOO_LONG",
    "LLM_INVALID_CONFIG",
    "LLM_QUEUE_FULL",
    "LLM_INTERNAL_ERROR",
    "LLM_CALLBACK_TOPIC_MISSING",
    "LLM_INVALID_CALLBACK_TOPIC",
    "LLM_PARSING_ERROR",
    "LLM_INVALID_RESPONSE",
    "LLM_COST_LIMIT_EXCEEDED",
    "LLM_CONFIGURATION_ERROR",
]
OURS = [
    "LLM_REQUEST_EXPIRED",
    "LLM_REQUEST_CANCELLED",
    "LLM_AUTHENTICATION_FAILED",
    "LLM_QUOTA_EXCEEDED",
    "LLM_IDEMPOTENCY_CONFLICT",
]


@pytest.mark.parametrize("name", TABLE)
def test_values_are_the_tables(name):
    assert {member.value for member in getattr(enums, name)} == set(TABLE[name].split(", "))


def test_error_codes_are_the_contracts_and_their_names_drop_the_prefix():
    assert [code.value for code in LLMErrorCode] == FIRST_FIFTEEN + OURS
    assert all(code.value == f"LLM_{code.name}" for code in LLMErrorCode)


def test_codes_that_requests_end_in_become_one_of_the_first_fifteen_on_kafka():
    assert {code.value: told.value for code, told in ON_KAFKA.items()} == {
        "LLM_REQUEST_EXPIRED": "LLM_PROVIDER_TIMEOUT",
        "LLM_REQUEST_CANCELLED": "LLM_INTERNAL_ERROR",
    }
