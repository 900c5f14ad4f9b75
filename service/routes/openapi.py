"""Completes /openapi.json with what the routes' signatures lack: the raw body, problems, examples and limits."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from contracts.enums import ProcessingMode
from contracts.http import (
    LLMBatchRequest,
    LLMBatchResponse,
    LLMComparisonRequest,
    LLMComparisonResponse,
    LLMQueuedResponse,
    LLMRedeliveredResponse,
    LLMRedeliveryRequest,
    LLMRedeliveryResponse,
    Problem,
)
from contracts.settings import Settings
from contracts.topics import LEGAL_TOPIC
from service.idempotency import KEY_PATTERN
from service.routes.openapi_fields import add_descriptions
from service.routes.scopes import SCOPE_OF
from web.problem import MEDIA_TYPE

_REF = "#/components/schemas/{model}"


def ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=name)}


def _header(name: str, description: str, **schema: str) -> dict[str, Any]:
    return {name: {"description": description, "schema": {"type": "string", **schema}}}


def problem_response(description: str, **more: Any) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": ref("Problem")}}, **more}


RETRY_AFTER = _header("Retry-After", "Seconds after which to try again.", type="integer")
REPLAYED = _header("Idempotency-Replayed", "`true`: already accepted with this `Idempotency-Key`.", const="true")
_PREFERENCE_APPLIED = _header("Preference-Applied", "The parts of `Prefer` that were applied (RFC 7240).")
_RATE_LIMIT = _header("RateLimit", "The requests that are left (draft-ietf-httpapi-ratelimit-headers).")
_CHALLENGE = _header("WWW-Authenticate", "RFC 6750.")

PROBLEMS: dict[int | str, dict[str, Any]] = {
    422: problem_response("The request is invalid. `details.errors` names the fields."),
    500: problem_response("Internal error. Search the service's log for the `correlation_id`."),
    503: problem_response("Redis or the provider is unavailable; the request was not accepted.", headers=RETRY_AFTER),
}
_READ_PROBLEMS = {**PROBLEMS, 503: problem_response("Redis is unavailable.", headers=RETRY_AFTER)}

_KEY_PROBLEMS: dict[str, dict[str, Any]] = {
    "401": problem_response("The request has no API key, or an unknown one.", headers=_CHALLENGE),
    "403": problem_response("The API key does not have the scope of this operation.", headers=_CHALLENGE),
    "429": problem_response(
        "A limit of the API key is used up; `details.limit` names it.", headers={**RETRY_AFTER, **_RATE_LIMIT}
    ),
    "503": problem_response("The API key cannot be looked up now.", headers=RETRY_AFTER),
}

REQUEST_EXAMPLE = {
    "user_prompt": "Which essay is better?\n\nEssay A:\nThe sea is wide.\n\nEssay B:\nThe sea, wide and grey, waits.",
    "callback_topic": "huleedu.llm_provider.comparison_result.v1",
    "metadata": {"essay_a_id": "a-17", "essay_b_id": "b-04"},
}
QUEUED_EXAMPLE = {
    "queue_id": "5c9c1f0e-6f0b-4d57-9a38-8d6b0f6a1f11",
    "status": "queued",
    "message": "Accepted; the verdict will be published on huleedu.llm_provider.comparison_result.v1",
    "estimated_wait_minutes": 2,
}

TRACEPARENT = {
    "name": "traceparent",
    "in": "header",
    "description": "W3C trace context. A malformed one is ignored.",
    "schema": {"type": "string"},
    "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}

COMPARISON: dict[str, Any] = {
    "summary": "Submit a comparison",
    "description": (
        "A comparison is accepted if the answer is 200, 202, or a problem with a `queue_id`. Each accepted comparison "
        "gets one result event on `callback_topic`.\n\n"
        "`processing_mode` decides what happens if the provider is unavailable: `queue_if_unavailable` queues the "
        "comparison (202), `immediate` refuses it (503). `queue` never waits for the verdict (202). `Prefer` decides "
        "how long to wait for the verdict: `respond-async` not at all, `wait=N` at most N seconds, both: N seconds and "
        "then 202. Without `processing_mode`, `respond-async` means `queue`.\n\n"
        "With an `Idempotency-Key`, a request that is sent again is not accepted twice: each repetition is answered "
        "202 with the `queue_id` of the first, never with its verdict. The same key with another request is refused "
        "(422, LLM_IDEMPOTENCY_CONFLICT). While Redis is unavailable, requests with a key are refused (503)."
    ),
    "status_code": 200,
    "response_description": "The verdict.",
    "responses": {
        200: {
            "content": {"application/json": {"schema": ref("LLMComparisonResponse")}},
            "headers": _PREFERENCE_APPLIED,
        },
        202: {
            "description": "Accepted; the verdict will be published on the callback topic.",
            "content": {"application/json": {"schema": ref("LLMQueuedResponse"), "example": QUEUED_EXAMPLE}},
            "headers": {**_PREFERENCE_APPLIED, **REPLAYED},
        },
        409: problem_response("The comparison was accepted, and cancelled while the client waited."),
        408: problem_response("The body did not arrive in time."),
        413: problem_response(
            "Body, prompt or metadata is too long, or the prompt exceeds the model's context window."
        ),
        415: problem_response("The headers declare a body that is not JSON, or is compressed."),
        **PROBLEMS,
        502: problem_response("The comparison was accepted, and has failed: the provider's answer has no verdict."),
        503: problem_response(
            "The queue is full, or Redis or the provider is unavailable. Without a `queue_id` the comparison was not "
            "accepted; with one it was accepted, and has failed.",
            headers=RETRY_AFTER,
        ),
        504: problem_response("The comparison was accepted, and has failed: the provider did not answer in time."),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ref("LLMComparisonRequest"), "example": REQUEST_EXAMPLE}},
        },
        "parameters": [
            {
                "name": "Prefer",
                "in": "header",
                "description": "RFC 7240: `respond-async`, `wait=N` (seconds). Malformed preferences are ignored.",
                "schema": {"type": "string"},
                "example": "respond-async",
            },
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "A unique name for this request. The service remembers it for a day, unless the "
                "operator has set another time. Two bodies count as the same request if they differ only in the order "
                "of fields, in white space, or in defaults that are written out.",
                "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
                "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
            },
            TRACEPARENT,
        ],
    },
}
CANCELLATION: dict[str, Any] = {
    "summary": "Cancel a comparison that has not started",
    "description": (
        "The callback topic gets an error result (LLM_INTERNAL_ERROR, with LLM_REQUEST_CANCELLED in "
        "`details.reason`). A comparison that waits for its next try counts as not started; the result holds the cost "
        "of its earlier tries. A finished comparison is known for an hour, unless the operator has set another time."
    ),
    "response_description": "Cancelled.",
    "responses": {
        404: problem_response("No comparison with this `queue_id` is known."),
        409: problem_response("The comparison has started or ended. `details.state` is its state."),
        **PROBLEMS,
        503: problem_response(
            "Redis is unavailable, or does not have the comparison yet. Try again.", headers=RETRY_AFTER
        ),
    },
}
MODELS: dict[str, Any] = {
    "summary": "The models that requests may name",
    "description": "Grouped by provider. Models of the mock are listed only with `provider=mock`.",
    "responses": {422: PROBLEMS[422], 500: PROBLEMS[500]},
}
PROVIDERS: dict[str, Any] = {
    "summary": "The providers and their state",
    "description": "With an API key, today's totals count the comparisons of that key only.",
    "responses": {**_READ_PROBLEMS},
}
PROVIDER_TEST: dict[str, Any] = {
    "summary": "Test a provider with one real comparison",
    "description": (
        "Submits one small comparison, which a worker judges like any other. The call is charged, and the verdict is "
        "also published on the service's own result topic. If the call fails, the answer is 200 with `ok` false."
    ),
    "responses": {**PROBLEMS},
}
HEALTH: dict[str, Any] = {"summary": "Whether the process is alive", "responses": {500: PROBLEMS[500]}}
READY: dict[str, Any] = {
    "summary": "Whether the API can accept requests",
    "responses": {
        500: PROBLEMS[500],
        503: problem_response("Every request would be refused. `detail` and `dependencies` say why."),
    },
}
METRICS: dict[str, Any] = {
    "summary": "Prometheus metrics of the API processes, and of the state that all processes share",
    "responses": {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, 500: PROBLEMS[500]},
}


def describe(app: FastAPI, settings: Settings) -> None:
    """Let `app.openapi()` return the complete document."""

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
            (LLMBatchRequest, "validation"),
            (LLMBatchResponse, "serialization"),
            (LLMComparisonResponse, "serialization"),
            (LLMQueuedResponse, "serialization"),
            (LLMRedeliveryRequest, "validation"),
            (LLMRedeliveredResponse, "serialization"),
            (LLMRedeliveryResponse, "serialization"),
            (Problem, "serialization"),
        ],
        ref_template=_REF,
    )
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):  # the framework's own error format is never sent
        schemas.pop(name, None)
    schemas.update(definitions["$defs"])
    _add_limits(schemas["LLMComparisonRequest"]["properties"], settings)
    in_batches = {"enum": [one.value for one in ProcessingMode if one is not ProcessingMode.IMMEDIATE] + [None]}
    item = {"allOf": [ref("LLMComparisonRequest"), {"properties": {"processing_mode": in_batches}}]}
    schemas["LLMBatchRequest"]["properties"]["comparisons"]["items"] = item
    enabled: dict[str, Any] = {"enum": [one.value for one in settings.enabled], "type": "string"}
    schemas["LLMConfigOverridesHTTP"]["properties"]["provider_override"] = {"anyOf": [enabled, {"type": "null"}]}
    add_descriptions(schemas)
    schemas["LLMConfigOverridesHTTP"]["properties"]["provider_override"]["examples"] = enabled["enum"][:1]
    if settings.service.auth == "keys":
        _add_api_keys(document)
    test = document["paths"]["/api/v1/providers/{provider}/test"]["post"]
    provider = next(one for one in test["parameters"] if one["name"] == "provider")
    provider |= {"schema": enabled, "example": enabled["enum"][0]}
    return document


def _add_api_keys(document: dict[str, Any]) -> None:
    """Add the scope that each route needs, and the problems of a refused key."""
    document["components"]["securitySchemes"] = {
        "api_key": {"type": "http", "scheme": "bearer", "description": "An API key. `umpire keys create` creates one."}
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (scope := SCOPE_OF[method.upper(), path]) is not None:
                operation["security"] = [{"api_key": [scope.value]}]
                operation["responses"] = {**_KEY_PROBLEMS, **operation["responses"]}


def _add_limits(fields: dict[str, Any], settings: Settings) -> None:
    """Add the limits that the operator has set."""
    # The dialect of JSON Schema is ECMA-262, in which `$` means what `\Z` means in Python.
    fields["callback_topic"]["pattern"] = "^" + LEGAL_TOPIC.pattern.replace(r"\Z", "$")
    fields["user_prompt"]["maxLength"] = settings.service.max_prompt_chars
    seconds = next(one for one in fields["ttl_seconds"]["anyOf"] if one.get("type") == "integer")
    seconds["maximum"] = settings.ledger.queue_ttl_seconds
