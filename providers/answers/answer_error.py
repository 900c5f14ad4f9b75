"""Errors that a provider reports inside an answer with status 200, classified by their structured codes. Pure."""

from dataclasses import replace
from typing import Any

from contracts.errors import UmpireError
from providers.answers import error_object
from providers.answers.error_mapping import ErrorAnswer, ErrorCodes, error_of_answer, status_of
from providers.answers.verdict import holds_verdict
from providers.base import ProviderAnswer, StopReason


def is_error(value: Any) -> bool:
    """Whether an answer's `error` field reports an error: null and empty values do not."""
    return error_object.parse_error_object(value) is not None


def error_of_object(value: Any, known: ErrorCodes, asked: ErrorAnswer) -> UmpireError:
    """The error for an error object. `asked`: the provider, the values from the headers, and the HTTP answer's status
    if it is an error status, else 0: then the object's own status counts.
    """
    reported = error_object.parse_error_object(value) or error_object.ErrorObject()
    wait = asked.retry_after if reported.retry_after is None else reported.retry_after
    status = asked.status or reported.status or status_of(reported.codes)
    answer = ErrorAnswer(asked.provider, status, reported.codes, asked.request_id, wait, reported.message)
    return error_of_answer(answer, known)


def answer_or_raise(
    completion: ProviderAnswer, *, error: UmpireError | None = None, refused: bool = False
) -> ProviderAnswer:
    """The completion of an answer that also reported an error or a refusal. A readable verdict wins over both; without
    one, a refusal becomes the stop reason, and an error is raised.

    Raises
    ------
    UmpireError
        `error`, with the usage of the answer that reported it.
    """
    if (error is None and not refused) or holds_verdict(completion):
        return completion
    if error is None:
        return replace(completion, stop_reason=StopReason.REFUSAL)
    usage = completion.usage
    # An answer with text or tokens was perhaps billed.
    if completion.text or usage.input_tokens or usage.output_tokens:
        error.usage = usage
    raise error
