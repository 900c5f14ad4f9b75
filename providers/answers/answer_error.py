"""Errors that a provider reports inside an answer with status 200. Pure."""

from dataclasses import replace
from typing import Any

from contracts.errors import UmpireError
from providers.answers.error_object import parse_error_object
from providers.answers.verdict import holds_verdict
from providers.base import ProviderAnswer, StopReason


def is_error(value: Any) -> bool:
    """Whether an answer's `error` field reports an error: null and empty values do not."""
    return parse_error_object(value) is not None


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
