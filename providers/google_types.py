"""Parameters of Google's SDK, which they load: to be imported on its first use only.

The SDK reads its parameters' fields by name, hundreds a call, and asks each time whether the model *contains* the name.
A pydantic model has no such test, so Python goes through all of its fields instead, and finds none: that was half of
the CPU of a call. These say at once what it would have found.
"""

from typing import Any, Self

from google.genai import types


class _Quick:
    def __contains__(self, _name: object) -> bool:
        return False  # what a pydantic model yields are pairs: no name is among them


class Part(_Quick, types.Part):
    """A types.Part."""


class Content(_Quick, types.Content):
    """A types.Content."""


class Config(_Quick, types.GenerateContentConfig):
    """A types.GenerateContentConfig that belongs to one call: the SDK's own deep copy of it need not be deep."""

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self.__copy__()


#: What all calls have in common. One call upstream: no function calls, no continuation. And the body as it came, which
#: costs less to read.
_COMMON = Config(
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    automatic_continuation=False,
    should_return_http_response=True,
)

_CONTENT, _PART = Content(role="user"), Part()


def config(headers: dict[str, str], parameters: dict[str, Any]) -> Config:
    return _COMMON.model_copy(update={"http_options": types.HttpOptions(headers=headers), **parameters})


def text(words: str) -> Content:
    """What the user says, or the system prompt, in one part."""
    return _CONTENT.model_copy(update={"parts": [_PART.model_copy(update={"text": words})]})
