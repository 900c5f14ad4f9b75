"""The envelope around every event, and its encoding."""

from functools import cache
from typing import Any
from uuid import UUID, uuid4

from contracts.base import Outgoing
from contracts.clock import utcnow
from contracts.encoding import dumps
from contracts.events import EventEnvelope, LLMComparisonResultV1
from contracts.settings import KafkaSettings
from contracts.topics import COMPARISON_RESULT, result_event_id


def envelope(
    data: Outgoing,
    event_type: str,
    correlation_id: UUID,
    *,
    event_id: UUID | None = None,
    traceparent: str | None = None,
) -> EventEnvelope[Any]:
    """`event_type` is the conventional topic name, whatever topic the event is sent to."""
    made: EventEnvelope[Any] = _envelope_of(type(data))(
        event_id=event_id or uuid4(),
        event_type=event_type,
        event_timestamp=utcnow(),
        correlation_id=correlation_id,
        data=data,
        metadata={"traceparent": traceparent} if traceparent else None,
    )
    return made


@cache
def _envelope_of(data: type[Outgoing]) -> Any:
    # Parametrised with the model's own class: the bare generic would write `data` as its empty bound.
    return EventEnvelope.__class_getitem__(data)


def result_envelope(
    result: LLMComparisonResultV1, settings: KafkaSettings, *, traceparent: str | None = None
) -> EventEnvelope[LLMComparisonResultV1]:
    """The result event; its id is the same however often it is made for one request."""
    return envelope(
        result,
        settings.topic_prefix + COMPARISON_RESULT,
        result.correlation_id,
        event_id=result_event_id(result.request_id),
        traceparent=traceparent,
    )


def encode(event: EventEnvelope[Any]) -> bytes:
    return dumps(event)
