"""Kafka headers: CloudEvents 1.0 in binary mode, the trace context, and four plain ones.

The plain ones repeat the CloudEvents headers, because existing consumers deduplicate and route by `event_id`,
`event_type`, `trace_id` and `source_service`.
"""

from functools import lru_cache

from contracts.encoding import loads
from contracts.events import SERVICE_NAME
from contracts.trace import trace_id
from events.envelope import Sealed

#: Header of a result that is published again because somebody asked for it: "1" for the first time, then "2", …
REDELIVERY = "redelivery"

#: confluent-kafka's own type; the values here are always bytes.
Headers = list[tuple[str, str | bytes | None]]


@lru_cache(maxsize=64)
def _fixed(event_type: str) -> Headers:
    """The headers that all events of a type share."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_source", SERVICE_NAME.encode()),
        ("source_service", SERVICE_NAME.encode()),
        ("content-type", b"application/json"),
        ("ce_type", event_type.encode()),
        ("event_type", event_type.encode()),
    ]


def headers_of(event: Sealed, subject: str | None) -> Headers:
    """Headers of a newly encoded event, without parsing it. `subject`: its request's queue id."""
    its_id = event.event_id.encode()
    made: Headers = [*_fixed(event.event_type), ("ce_id", its_id), ("event_id", its_id)]
    made.append(("ce_time", event.time.encode()))
    if subject:
        made.append(("ce_subject", subject.encode()))
    if event.traceparent:
        made.append(("traceparent", event.traceparent.encode()))
        if trace := trace_id(event.traceparent):
            made.append(("trace_id", trace.encode()))
    return made


def headers_of_value(value: bytes, subject: str | None) -> Headers:
    """Headers of a stored event, parsed from its bytes: a result sent again has the headers of the first time."""
    event = loads(value)
    traceparent = (event.get("metadata") or {}).get("traceparent")
    sealed = Sealed(value, event["event_id"], event["event_type"], event["event_timestamp"], "", traceparent)
    return headers_of(sealed, subject)
