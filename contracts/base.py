"""The two base classes of models: requests must not have unknown fields, responses and events may.

Neither quotes its input in an error, since that may be an essay.
"""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer

from contracts.clock import iso


def _utc(value: datetime) -> str:
    return iso(value if value.tzinfo is UTC else value.astimezone(UTC))


#: A point in time; in JSON always UTC, as ISO 8601 with a `Z`.
UtcTime = Annotated[AwareDatetime, PlainSerializer(_utc, return_type=str, when_used="json")]


class Incoming(BaseModel):
    """A request model: an unknown field is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Outgoing(BaseModel):
    """A response or event model: a reader ignores fields that a newer writer added."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
