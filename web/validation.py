"""Turns pydantic's findings into one typed error that names the fields, and never quotes their values."""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.errors import CallbackTopicMissing, InvalidCallbackTopic, InvalidConfig, InvalidPrompt, InvalidRequest

#: Most findings that the error lists; a body can have a million.
MAX_FINDINGS = 20
#: Longest field name that the error repeats, in characters: names come from the caller and may have any length.
MAX_NAME = 100

_BY_FIELD: dict[str, type[InvalidRequest]] = {
    "callback_topic": InvalidCallbackTopic,
    "user_prompt": InvalidPrompt,
    "prompt_blocks": InvalidPrompt,
    "llm_config_overrides": InvalidConfig,
}


def refusal(findings: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """`findings`: pydantic's, without input and context. An error of the callback topic takes precedence."""
    first = next((one for one in findings if one["loc"][:1] == ("callback_topic",)), findings[0])
    kind = _BY_FIELD.get(str(first["loc"][0]), InvalidRequest) if first["loc"] else InvalidRequest
    if kind is InvalidCallbackTopic and first["type"] == "missing":
        kind = CallbackTopicMissing
    if first["type"] == "extra_forbidden":
        kind = InvalidRequest
    errors = [{"loc": [_name(part) for part in one["loc"]], "msg": one["msg"]} for one in findings[:MAX_FINDINGS]]
    return kind(_sentence(first), errors=errors)


def _name(part: str | int) -> str | int:
    return part if isinstance(part, int) or len(part) <= MAX_NAME else part[:MAX_NAME] + "…"


def _sentence(finding: Mapping[str, Any]) -> str:
    where = ".".join(str(_name(part)) for part in finding["loc"])
    what = "unknown field" if finding["type"] == "extra_forbidden" else finding["msg"]
    return f"{where}: {what}" if where else str(what)
