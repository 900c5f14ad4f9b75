"""The envelope around every event, and its encoding."""

from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from contracts.base import Outgoing
from contracts.clock import iso_now
from contracts.encoding import dumps
from contracts.events import SERVICE_NAME, LLMComparisonResultV1
from contracts.random_ids import random_uuid_text
from contracts.settings import KafkaSettings
from contracts.topics import COMPARISON_RESULT, result_event_id


class Sealed(NamedTuple):
    """An encoded event, and the fields that its headers repeat."""

    value: bytes
    """The encoded EventEnvelope."""
    event_id: str
    event_type: str
    time: str
    correlation_id: str
    traceparent: str | None


#: EventEnvelope as a bytes template. A comparison has six events, and an envelope model for each would cost as much
#: again as its content. tests/events/test_envelope.py checks that the model would write the same bytes.
_ENVELOPE = (
    b'{"event_id":"%b","event_type":%b,"event_timestamp":"%b","source_service":"'
    + SERVICE_NAME.encode()
    + b'","schema_version":1,"correlation_id":"%b","data_schema_uri":null,"data":%b,"metadata":%b}'
)


#: Caches encoded event types: a process uses about a dozen.
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
    """Encode an event. `event_type`: its conventional topic name, whatever topic it is sent to. `time`: default now."""
    its_id = str(event_id) if event_id else random_uuid_text()
    correlation = str(correlation_id)
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
    """Encode a result event. Its event id depends on the request only, so repeated results have the same id."""
    return seal(
        result,
        settings.topic_prefix + COMPARISON_RESULT,
        result.correlation_id,
        event_id=result_event_id(result.request_id),
        traceparent=traceparent,
    )
