"""Reads a request event: from bytes of Kafka to a request, or to an error that names the field that is wrong."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from pydantic import ValidationError

from assessment.errors import InvalidAssessmentRequest, UnreadableEvent
from contracts.assessment.request import ELS_CJAssessmentRequestV1, RequestOptions
from contracts.encoding import loads

#: Namespace of the ids that events without an id get: the same bytes get the same id.
_NAMESPACE = UUID("0d7f6c39-9f1e-5b0c-8a53-6a0a5b9d4c21")


@dataclass(frozen=True, slots=True)
class EventIdentity:
    """What the events about a request repeat; as far as it is readable, of an invalid request."""

    event_id: UUID
    correlation_id: UUID
    entity_id: str | None = None
    essay_ids: tuple[str, ...] = ()
    system_metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssessmentRequested:
    """A valid request. `original`: the whole event, which is stored and read again by each later round."""

    identity: EventIdentity
    request: ELS_CJAssessmentRequestV1
    options: RequestOptions
    original: dict[str, Any]


def read_request_event(value: bytes) -> AssessmentRequested:
    """
    Raises
    ------
    UnreadableEvent
        Not a JSON object.
    InvalidAssessmentRequest
        A field is missing or wrong. It has the field and the event's identity.
    """
    envelope = _object(value)
    identity = event_identity(value, envelope)
    try:
        request = ELS_CJAssessmentRequestV1.model_validate(_part(envelope, "data"))
    except ValidationError as error:
        raise _invalid(error, "", identity) from None
    try:
        options = RequestOptions.model_validate(_part(envelope, "metadata"))
    except ValidationError as error:
        raise _invalid(error, "metadata.", identity) from None
    return AssessmentRequested(identity, request, options, envelope)


def event_identity(value: bytes, envelope: dict[str, Any]) -> EventIdentity:
    """An event without an id gets one from its bytes, so that its redelivery is recognised."""
    data = envelope.get("data")
    data = data if isinstance(data, dict) else {}
    event_id = _uuid(envelope.get("event_id")) or uuid5(_NAMESPACE, sha256(value).hexdigest())
    essays = data.get("essays_for_cj")
    ids = [essay.get("essay_id") for essay in essays if isinstance(essay, dict)] if isinstance(essays, list) else []
    entity_id, metadata = data.get("entity_id"), data.get("system_metadata")
    return EventIdentity(
        event_id=event_id,
        correlation_id=_uuid(envelope.get("correlation_id")) or event_id,
        entity_id=entity_id if isinstance(entity_id, str) and entity_id else None,
        essay_ids=tuple(dict.fromkeys(one for one in ids if isinstance(one, str) and one)),
        system_metadata=metadata if isinstance(metadata, dict) else {},
    )


def _object(value: bytes) -> dict[str, Any]:
    try:
        envelope = loads(value)
    except ValueError:
        raise UnreadableEvent("the event is not JSON") from None
    if not isinstance(envelope, dict):
        raise UnreadableEvent("the event is not a JSON object")
    return envelope


def _part(envelope: dict[str, Any], name: str) -> dict[str, Any]:
    part = envelope.get(name)
    return {} if part is None else part


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _invalid(error: ValidationError, where: str, identity: EventIdentity) -> InvalidAssessmentRequest:
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    message = problem["msg"].removeprefix("Value error, ")
    path = ".".join(str(part) for part in problem["loc"])
    if not path and ": " in message:  # of the whole model: its text begins with the field
        path, _, message = message.partition(": ")
    return InvalidAssessmentRequest(message, field=(where + path).rstrip(".") or "data", identity=identity)
