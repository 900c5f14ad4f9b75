"""The generated JSON schemas of events and HTTP models, and asyncapi.yaml."""

import inspect
import json
from typing import Any

import yaml
from pydantic import BaseModel

from contracts import events, http, topics
from contracts.base import Incoming, Outgoing
from docs.generate.common import GENERATED, docstring
from service.routes.openapi_fields import FIELDS

#: Fields that mean the same in each event without a docstring of its own.
SHARED = {
    "correlation_id": "As in the request.",
    "user_id": "As in the request.",
    "metadata": "The metadata of the request.",
    "request_type": "Always `comparison`.",
    "trace_id": "Trace id of the W3C trace context, 32 hex digits.",
}

#: What each event is, and when it is sent.
EVENTS: dict[str, tuple[type[Outgoing], str]] = {
    topics.COMPARISON_RESULT: (
        events.LLMComparisonResultV1,
        "The verdict or typed error of a request, on its callback topic. At least once, always with one event_id.",
    ),
    topics.QUEUE_STATUS: (events.LLMQueueStatusV1, "A request changed its state. Best effort."),
    topics.REQUEST_STARTED: (events.LLMRequestStartedV1, "A worker began a claim of a request. Best effort."),
    topics.REQUEST_COMPLETED: (events.LLMRequestCompletedV1, "A request ended. Best effort."),
    topics.FAILURE: (events.LLMProviderFailureV1, "An attempt at a provider failed. Best effort."),
    topics.PROVIDER_STATUS: (events.LLMProviderStatusV1, "A circuit breaker changed its state. Best effort."),
    topics.QUEUE_FULL: (events.LLMQueueFullV1, "Requests are refused: accepted work is at its limit. Best effort."),
    topics.COST_TRACKING: (events.LLMCostTrackingV1, "A call was paid. Best effort."),
    topics.COST_ALERT: (
        events.LLMCostAlertV1,
        "An API key has spent 80 % or 100 % of its daily limit; once a day, key and share. Best effort.",
    ),
    topics.CALLBACK_DEAD_LETTER: (
        events.LLMComparisonResultV1,
        (
            "A result that Kafka refused for good; dead_letter_topic and dead_letter_reason tell of it. A copy that did"
            " not fit has dead_letter_truncated: it lacks request_metadata, or its data has request_id, provider,"
            " model, winner and error_code only. Best effort."
        ),
    ),
}


def _models() -> dict[str, tuple[type[BaseModel], str]]:
    """Name → model and the side it is described from: what we accept, and what we send."""
    found: dict[str, tuple[type[BaseModel], str]] = {}
    for module in (http, events):
        for name, cls in vars(module).items():
            if inspect.isclass(cls) and issubclass(cls, Incoming | Outgoing) and cls.__module__ == module.__name__:
                found[name] = (cls, "validation" if issubclass(cls, Incoming) else "serialization")
    found.pop("EventEnvelope")
    for model, _ in EVENTS.values():
        found[f"EventEnvelope_{model.__name__}"] = (_envelope(model), "serialization")
    return found


def _envelope(model: type[Outgoing]) -> type[BaseModel]:
    made: type[BaseModel] = events.EventEnvelope.__class_getitem__(model)  # type: ignore[assignment]
    return made


def _describe(schema: dict[str, Any]) -> None:
    """Add the description of each field: an event's from its docstring, an HTTP model's from openapi_fields.py."""
    for part in (schema, *schema.get("$defs", {}).values()):
        name = part.get("title", "").partition("[")[0]
        for field, described in part.get("properties", {}).items():
            if name in FIELDS:
                described["description"] = FIELDS[name][field][0]
            elif hasattr(events, name):
                described["description"] = _description(getattr(events, name), field)


def _description(event: type[BaseModel], field: str) -> str:
    try:
        return docstring(event, field)
    except LookupError:
        if field not in SHARED:
            raise
        return SHARED[field]


def schemas() -> dict[str, str]:
    made = {}
    for name, (cls, mode) in sorted(_models().items()):
        schema = cls.model_json_schema(mode="validation" if mode == "validation" else "serialization")
        _describe(schema)
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        made[f"schemas/{name}.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return made


def asyncapi() -> str:
    channels, operations, messages = {}, {}, {}
    for name, (model, summary) in EVENTS.items():
        key = name.removeprefix("llm_provider.").removesuffix(".v1")
        is_result = name == topics.COMPARISON_RESULT
        channels[key] = {
            "address": "{callbackTopic}" if is_result else f"huleedu.{name}",
            "description": summary,
            "messages": {model.__name__: {"$ref": f"#/components/messages/{model.__name__}"}},
        }
        if is_result:
            channels[key]["parameters"] = {
                "callbackTopic": {
                    "description": "The request's `callback_topic`; by convention huleedu." + name,
                    "default": "huleedu." + name,
                }
            }
        operations[f"send_{key}"] = {"action": "send", "channel": {"$ref": f"#/channels/{key}"}}
        message = {
            "name": f"huleedu.{name}",
            "title": model.__name__,
            "summary": summary,
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/Headers"},
            "payload": {"$ref": f"./schemas/EventEnvelope_{model.__name__}.json"},
            "bindings": {"kafka": {"key": {"type": "string", "format": "uuid", "description": "The correlation id."}}},
        }
        # A dead letter is the same event on another topic.
        messages.setdefault(model.__name__, message)
    text = {"type": "string"}
    header_schema = {
        "type": "object",
        "description": "CloudEvents 1.0 in binary mode, the W3C trace context, and four plain names of the same.",
        "required": [
            "ce_specversion",
            "ce_id",
            "ce_type",
            "ce_source",
            "ce_time",
            "content-type",
            "event_id",
            "event_type",
            "source_service",
        ],
        "properties": {
            "ce_specversion": {"const": "1.0"},
            "ce_id": {**text, "description": "The event_id."},
            "ce_type": {**text, "description": "The event_type."},
            "ce_source": {"const": events.SERVICE_NAME},
            "ce_subject": {**text, "description": "The queue id, where the event belongs to a request."},
            "ce_time": {**text, "format": "date-time"},
            "content-type": {"const": "application/json"},
            "traceparent": text,
            "event_id": {**text, "description": "As ce_id."},
            "event_type": {**text, "description": "As ce_type."},
            "trace_id": {**text, "description": "Of traceparent: 32 hex digits."},
            "source_service": {"const": events.SERVICE_NAME, "description": "As ce_source."},
            "redelivery": {
                **text,
                "pattern": "^[1-9][0-9]*$",
                "description": "Of a result that is published again on request: how often it was, this time included. "
                "All else is as it was the first time.",
            },
            "dead_letter_topic": {**text, "description": "On the dead-letter topic: where it was to go."},
            "dead_letter_reason": {**text, "description": "On the dead-letter topic: Kafka's name for why it did not."},
            "dead_letter_truncated": {"const": "true", "description": "On the dead-letter topic: the copy was cut."},
        },
    }
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "umpire events",
            "version": "1",
            "description": "What umpire sends to Kafka. The prefix `huleedu.` is a setting (UMPIRE_TOPIC_PREFIX). "
            "Consumers drop a repeated result by its event_id or request_id.",
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": {"Headers": header_schema}},
    }
    return f"# {GENERATED}\n" + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
