"""The envelope around every event, and its encoding."""

from functools import lru_cache
from typing import NamedTuple
from uuid import UUID, uuid4

from contracts.base import Outgoing
from contracts.clock import iso_now
from contracts.encoding import dumps
from contracts.events import SERVICE_NAME, LLMComparisonResultV1
from contracts.settings import KafkaSettings
from contracts.topics import COMPARISON_RESULT, result_event_id


class Sealed(NamedTuple):
    """An event as it goes over the wire, and what its headers say of it."""

    value: bytes
    """The encoded EventEnvelope."""
    event_id: str
    event_type: str
    time: str
    correlation_id: str
    traceparent: str | None


#: EventEnvelope's fields as they stand on the wire. A comparison has six events, and a model around each would cost as
#: much again as what is inside. tests/events/test_envelope.py holds that the model would write the same bytes.
_ENVELOPE = (
    b'{"event_id":"%b","event_type":%b,"event_timestamp":"%b","source_service":"'
    + SERVICE_NAME.encode()
    + b'","schema_version":1,"correlation_id":"%b","data_schema_uri":null,"data":%b,"metadata":%b}'
)


#: A process' own topics: a dozen.
_encoded = lru_cache(maxsize=64)(dumps)


def seal(
    data: Outgoing,
    event_type: str,
    correlation_id: UUID,
    *,
    event_id: UUID | None = None,
    traceparent: str | None = None,
    time: str | None = None,
) -> Sealed:
    """`event_type` is the conventional topic name, whatever topic the event is sent to; `time`: when it was (now)."""
    its_id, correlation = str(event_id or uuid4()), str(correlation_id)
    time = time or iso_now()
    metadata = dumps({"traceparent": traceparent}) if traceparent else b"null"
    value = _ENVELOPE % (
        its_id.encode(),
        _encoded(event_type),
        time.encode(),
        correlation.encode(),
        dumps(data),
        metadata,
    )
    return Sealed(value, its_id, event_type, time, correlation, traceparent)


def seal_result(result: LLMComparisonResultV1, settings: KafkaSettings, *, traceparent: str | None = None) -> Sealed:
    """The result event; its id is the same however often it is made for one request."""
    return seal(
        result,
        settings.topic_prefix + COMPARISON_RESULT,
        result.correlation_id,
        event_id=result_event_id(result.request_id),
        traceparent=traceparent,
    )
