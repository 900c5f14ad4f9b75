"""The base class of all errors."""

from typing import Any, ClassVar

from contracts.enums import LLMErrorCode


class UmpireError(Exception):
    """Base of the tree. `message` and `details` go to the client; `retry_after` is in seconds, None if unknown."""

    code: ClassVar[LLMErrorCode] = LLMErrorCode.INTERNAL_ERROR
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False
    #: Tokens (providers/base.py::Usage) of an answer with status 200 that reports this error, since it was perhaps
    #: billed. None: there was no such answer. Not sent to clients.
    usage: Any = None

    def __init__(self, message: str, *, retry_after: float | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.retry_after, self.details)


def _rebuild(cls: type[UmpireError], message: str, retry_after: float | None, details: dict[str, Any]) -> UmpireError:
    return cls(message, retry_after=retry_after, **details)
