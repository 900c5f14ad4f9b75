"""Errors that a provider reports inside an answer with status 200: by their structured codes. Pure."""

from dataclasses import replace
from typing import Any

from contracts.errors import UmpireError
from providers import envelope, failure
from providers.base import Completion, StopReason
from providers.failure import Answered, Codes
from providers.verdict import holds_verdict


def is_error(value: Any) -> bool:
    """Whether an answer's `error` field says anything: null and what is empty do not."""
    return envelope.reported(value) is not None


def error_of(value: Any, known: Codes, asked: Answered) -> UmpireError:
    """What an error object means. `asked`: the provider, what the headers say, and the status of the HTTP answer, where
    it is one of an error; 0: the object's own.
    """
    said = envelope.reported(value) or envelope.Reported()
    wait = asked.retry_after if said.retry_after is None else said.retry_after
    status = asked.status or said.status or failure.status_of(said.codes)
    return failure.answered(Answered(asked.provider, status, said.codes, asked.request_id, wait, said.message), known)


def settled(completion: Completion, *, error: UmpireError | None = None, refused: bool = False) -> Completion:
    """The completion, or what stood beside its text: an error, or a refusal. A verdict that can be read is one,
    whatever else the answer says.

    Raises
    ------
    UmpireError
        `error`, with the tokens of the answer that it came in.
    """
    if (error is None and not refused) or holds_verdict(completion):
        return completion
    if error is None:
        return replace(completion, stop_reason=StopReason.REFUSAL)
    usage = completion.usage
    # With a part of an answer, or with tokens, it was perhaps billed.
    if completion.text or usage.input_tokens or usage.output_tokens:
        error.usage = usage
    raise error
