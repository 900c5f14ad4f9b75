"""Parameter types for Google's SDK with a quick `in`. Importing this module loads the SDK: on first use only.

The SDK reads hundreds of parameter fields by name per call, and each time tests whether `name in model`. A pydantic
model has no `__contains__`, so Python iterates over all of its fields and never finds the name: that was half of the
CPU of a call. These classes return the same result, False, at once.
"""

from typing import Any, Self

from google.genai import types


class _Quick:
    def __contains__(self, _name: object) -> bool:
        return False  # iterating over a pydantic model yields pairs, so a name is never among them


class Part(_Quick, types.Part):
    """A types.Part."""


class Content(_Quick, types.Content):
    """A types.Content."""


class Config(_Quick, types.GenerateContentConfig):
    """A types.GenerateContentConfig for one call only, so the SDK's deep copy of it may be a shallow one."""

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self.__copy__()


#: Options of all calls. Without function calls and continuation, each call is one call upstream. The SDK returns the
#: raw body, because parsing it ourselves costs less.
_COMMON = Config(
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    automatic_continuation=False,
    should_return_http_response=True,
)

_CONTENT, _PART = Content(role="user"), Part()


def config(headers: dict[str, str], parameters: dict[str, Any]) -> Config:
    return _COMMON.model_copy(update={"http_options": types.HttpOptions(headers=headers), **parameters})


def text(words: str) -> Content:
    """The user prompt or the system prompt as a content of one part."""
    return _CONTENT.model_copy(update={"parts": [_PART.model_copy(update={"text": words})]})
