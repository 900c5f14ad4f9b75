"""Errors that a provider reports inside an answer with status 200, classified by their structured codes. Pure."""

from dataclasses import replace
from typing import Any

from contracts.errors import UmpireError
from providers import envelope, failure
from providers.base import ProviderAnswer, StopReason
from providers.failure import Answered, Codes
from providers.verdict import holds_verdict


def is_error(value: Any) -> bool:
    """Whether an answer's `error` field reports an error: null and empty values do not."""
    return envelope.reported(value) is not None


def error_of(value: Any, known: Codes, asked: Answered) -> UmpireError:
    """The error for an error object. `asked`: the provider, the values from the headers, and the HTTP answer's status
    if it is an error status, else 0: then the object's own status counts.
    """
    said = envelope.reported(value) or envelope.ReportedError()
    wait = asked.retry_after if said.retry_after is None else said.retry_after
    status = asked.status or said.status or failure.status_of(said.codes)
    return failure.answered(Answered(asked.provider, status, said.codes, asked.request_id, wait, said.message), known)


def settled(completion: ProviderAnswer, *, error: UmpireError | None = None, refused: bool = False) -> ProviderAnswer:
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
