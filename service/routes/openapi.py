"""What /openapi.json says beyond the routes' signatures: the raw body, problems, examples and limits."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from contracts.http import LLMComparisonRequest, LLMComparisonResponse, LLMQueuedResponse, Problem
from contracts.settings import Settings
from contracts.topics import LEGAL_TOPIC
from service.idempotency import KEY_PATTERN
from service.routes.openapi_fields import explain
from service.routes.scopes import SCOPE_OF
from web.problem import MEDIA_TYPE

_REF = "#/components/schemas/{model}"


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=name)}


_RETRY_AFTER = {"Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer"}}}
_REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true`: accepted before, with the same `Idempotency-Key`.",
        "schema": {"const": "true", "type": "string"},
    }
}
_PREFERENCE_APPLIED = {
    "Preference-Applied": {"description": "What was honoured of `Prefer` (RFC 7240).", "schema": {"type": "string"}}
}


def _problem(description: str, **more: Any) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": _ref("Problem")}}, **more}


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    422: _problem("Not what the contract says. `details.errors` names the fields."),
    500: _problem("A fault of the service."),
    503: _problem("Nothing was accepted: the ledger or the provider is unavailable.", headers=_RETRY_AFTER),
}

_CHALLENGE = {"WWW-Authenticate": {"description": "RFC 6750.", "schema": {"type": "string"}}}
_KEY_PROBLEMS: dict[str, dict[str, Any]] = {
    "401": _problem("No API key came with the request, or none that is known here.", headers=_CHALLENGE),
    "403": _problem("The API key has no scope for this.", headers=_CHALLENGE),
    "429": _problem(
        "A limit of the API key is used up; `details.limit` names it.",
        headers={
            **_RETRY_AFTER,
            "RateLimit": {
                "description": "What is left (draft-ietf-httpapi-ratelimit-headers).",
                "schema": {"type": "string"},
            },
        },
    ),
    "503": _problem("The API key cannot be looked up now.", headers=_RETRY_AFTER),
}

_REQUEST_EXAMPLE = {
    "user_prompt": "Which essay is better?\n\nEssay A:\nThe sea is wide.\n\nEssay B:\nThe sea, wide and grey, waits.",
    "callback_topic": "huleedu.llm_provider.comparison_result.v1",
    "metadata": {"essay_a_id": "a-17", "essay_b_id": "b-04"},
}
_QUEUED_EXAMPLE = {
    "queue_id": "5c9c1f0e-6f0b-4d57-9a38-8d6b0f6a1f11",
    "status": "queued",
    "message": "Accepted; the verdict comes on huleedu.llm_provider.comparison_result.v1",
    "estimated_wait_minutes": 2,
}

COMPARISON: dict[str, Any] = {
    "summary": "Submit a comparison",
    "description": (
        "Accepted comparisons (200, 202, or a problem with a `queue_id`) end in one result event on `callback_topic`, "
        "whatever this call answers.\n\n"
        "`processing_mode` decides what an unavailable provider means: `queue_if_unavailable` queues (202), "
        "`immediate` refuses (503), `queue` never waits (202). `Prefer` decides how long to wait for the verdict: "
        "`respond-async` not at all, `wait=N` at most N seconds, both: N seconds and then 202. Without "
        "`processing_mode`, `respond-async` means `queue`.\n\n"
        "With an `Idempotency-Key`, the same request sent again is accepted once: each repetition is answered 202 with "
        "the `queue_id` of the first, never with its verdict. The same key with another request is refused (422, "
        "LLM_IDEMPOTENCY_CONFLICT). While the ledger cannot be asked, requests with a key are refused (503)."
    ),
    "status_code": 200,
    "response_description": "The verdict.",
    "responses": {
        200: {
            "content": {"application/json": {"schema": _ref("LLMComparisonResponse")}},
            "headers": _PREFERENCE_APPLIED,
        },
        202: {
            "description": "Accepted; the verdict comes on the callback topic.",
            "content": {"application/json": {"schema": _ref("LLMQueuedResponse"), "example": _QUEUED_EXAMPLE}},
            "headers": {**_PREFERENCE_APPLIED, **_REPLAYED},
        },
        409: _problem("Cancelled while its client waited. The comparison was accepted, and has ended."),
        408: _problem("The body did not arrive in time."),
        413: _problem("Body, prompt or metadata over its limit, or over the model's context window."),
        415: _problem("The body is said to be something else than plain JSON."),
        **_PROBLEMS,
        502: _problem("The provider's answer held no verdict. The comparison was accepted, and has ended."),
        503: _problem(
            "Queue full, ledger or provider unavailable: nothing was accepted. With a `queue_id`: it was, and has "
            "ended so.",
            headers=_RETRY_AFTER,
        ),
        504: _problem("The provider did not answer in time. The comparison was accepted, and has ended."),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _ref("LLMComparisonRequest"), "example": _REQUEST_EXAMPLE}},
        },
        "parameters": [
            {
                "name": "Prefer",
                "in": "header",
                "description": "RFC 7240: `respond-async`, `wait=N` (seconds). What is malformed is ignored.",
                "schema": {"type": "string"},
                "example": "respond-async",
            },
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Any name for this request, new for each; it is remembered for a day unless the "
                "operator has it otherwise. Requests are compared as they are understood: order, white space and "
                "defaults that are spelt out make no difference.",
                "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
                "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
            },
            {
                "name": "traceparent",
                "in": "header",
                "description": "W3C trace context. What is malformed is ignored.",
                "schema": {"type": "string"},
                "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            },
        ],
    },
}
CANCELLATION: dict[str, Any] = {
    "summary": "Cancel a comparison that has not started",
    "description": (
        "Its callback topic gets an error result (LLM_INTERNAL_ERROR, with LLM_REQUEST_CANCELLED in `details.reason`). "
        "One that was tried and waits for its next try counts as not started; what its tries have cost is in the "
        "result. A finished comparison is known for an hour, unless the operator has it otherwise."
    ),
    "response_description": "Cancelled.",
    "responses": {
        404: _problem("No comparison with this `queue_id` is known."),
        409: _problem("Too late: it has started, or has ended. `details.state` tells which."),
        **_PROBLEMS,
        503: _problem("Redis is unavailable, or does not have the comparison yet. Ask again.", headers=_RETRY_AFTER),
    },
}
MODELS: dict[str, Any] = {
    "summary": "The models that requests may name",
    "description": "Grouped by provider. The mock is left out unless `provider=mock` asks for it.",
    "responses": {422: _PROBLEMS[422], 500: _PROBLEMS[500]},
}
PROVIDERS: dict[str, Any] = {
    "summary": "The providers and how they are",
    "description": "Where calls need an API key, today's totals are of the key's own comparisons.",
    "responses": {**_PROBLEMS},
}
PROVIDER_TEST: dict[str, Any] = {
    "summary": "Try a provider with one real comparison",
    "description": (
        "Sends one small comparison through the whole way: it costs what such a call costs, and its verdict is also "
        "published on the conventional result topic. A call that fails is answered 200 with `ok` false."
    ),
    "responses": {**_PROBLEMS},
}
HEALTH: dict[str, Any] = {"summary": "Is the process alive", "responses": {500: _PROBLEMS[500]}}
READY: dict[str, Any] = {
    "summary": "Would the door let a request in",
    "responses": {500: _PROBLEMS[500], 503: _problem("Every request would be refused. `dependencies` tells why.")},
}
METRICS: dict[str, Any] = {
    "summary": "Prometheus metrics of this process, and of what all processes share",
    "responses": {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, 500: _PROBLEMS[500]},
}


def describe(app: FastAPI, settings: Settings) -> None:
    """Make `app.openapi()` complete."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, settings)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, settings: Settings) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    _, definitions = models_json_schema(
        [
            (LLMComparisonRequest, "validation"),
            (LLMComparisonResponse, "serialization"),
            (LLMQueuedResponse, "serialization"),
            (Problem, "serialization"),
        ],
        ref_template=_REF,
    )
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):  # the framework's error format is never sent
        schemas.pop(name, None)
    schemas.update(definitions["$defs"])
    _limits(schemas["LLMComparisonRequest"]["properties"], settings)
    enabled: dict[str, Any] = {"enum": [one.value for one in settings.enabled], "type": "string"}
    schemas["LLMConfigOverridesHTTP"]["properties"]["provider_override"] = {"anyOf": [enabled, {"type": "null"}]}
    explain(schemas)
    schemas["LLMConfigOverridesHTTP"]["properties"]["provider_override"]["examples"] = enabled["enum"][:1]
    if settings.service.auth == "keys":
        _keys(document)
    test = document["paths"]["/api/v1/providers/{provider}/test"]["post"]
    provider = next(one for one in test["parameters"] if one["name"] == "provider")
    provider |= {"schema": enabled, "example": enabled["enum"][0]}
    return document


def _keys(document: dict[str, Any]) -> None:
    """Add the scope that each route needs, and the answers to a key that is refused."""
    document["components"]["securitySchemes"] = {
        "api_key": {"type": "http", "scheme": "bearer", "description": "An API key: `umpire keys create` makes one."}
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (scope := SCOPE_OF[method.upper(), path]) is not None:
                operation["security"] = [{"api_key": [scope.value]}]
                operation["responses"] = {**_KEY_PROBLEMS, **operation["responses"]}


def _ecma(pattern: re.Pattern[str]) -> str:
    r"""The pattern in the dialect of JSON Schema, ECMA-262, where `$` means what `\Z` means in Python."""
    return "^" + pattern.pattern.replace(r"\Z", "$")


def _integer(field: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = next(one for one in field["anyOf"] if one.get("type") == "integer")
    return whole


def _limits(fields: dict[str, Any], settings: Settings) -> None:
    """Add the limits that the operator has set."""
    fields["callback_topic"]["pattern"] = _ecma(LEGAL_TOPIC)
    fields["user_prompt"]["maxLength"] = settings.service.max_prompt_chars
    _integer(fields["ttl_seconds"])["maximum"] = settings.ledger.queue_ttl_seconds
    fields["batching_mode"] = {"anyOf": [{"const": "per_request", "type": "string"}, {"type": "null"}]}
