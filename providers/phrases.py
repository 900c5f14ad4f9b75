"""Errors that a provider names by its message only: an empty or disabled account, and a prompt over the window. Pure.

Everything else is classified by type, status and structured code, since a message may quote the prompt. These have a
generic code and no other sign, so the message decides, within bounds: the status and code must be the generic ones, and
a fixed phrase must stand at the message's very beginning, where no provider quotes what it was sent.
"""

import re
from collections.abc import Set as AbstractSet

from contracts import errors
from contracts.errors import UmpireError

#: No phrase reaches further into a message.
_LENGTH = 200

#: Codes, in lower case, that say no more than the status beside them.
_GENERIC = {
    400: frozenset(
        {"invalid_request_error", "invalid_request", "invalid_argument", "failed_precondition", "badrequest"}
    ),
    403: frozenset({"permission_error", "permission_denied", "forbidden"}),
    429: frozenset({"resource_exhausted"}),
}

#: `messages.0.content: `, as some say which field they mean.
_FIELD = r"(?:[\w.\[\]]{1,40}: )?"

_SPEND = (
    "(?:your )?credit balance is too low",
    "you have reached your specified (?:workspace )?api usage limits",
    "your prepayment credits are depleted",
    "your project has exceeded its (?:monthly )?spending cap",
    "this api method requires billing to be enabled",
    "please enable billing",
    "gemini api free tier is not available in your country",
    "key limit exceeded",
    "billing hard limit has been reached",
    "insufficient (?:credits|balance|funds)",
)

_DISABLED = ("(?:this|your) organization has been disabled",)

_TOO_LONG = (
    "prompt is too long",
    r"the input token count(?: \(\d+\))? exceeds the maximum number of tokens",
    "this (?:model|endpoint)'s maximum context length is",
    "your input exceeds the context window",
    "input tokens exceed the configured limit",
    "input is too long for (?:the )?requested model",
    "input length and `max_tokens` exceed context limit",
)

_NAMES: tuple[tuple[re.Pattern[str], AbstractSet[int], type[UmpireError]], ...] = (
    (re.compile(_FIELD + f"(?:{'|'.join(_SPEND)})", re.IGNORECASE), _GENERIC.keys(), errors.SpendLimitReached),
    (
        re.compile(_FIELD + f"(?:{'|'.join(_DISABLED)})", re.IGNORECASE),
        frozenset({400, 403}),
        errors.ProviderMisconfigured,
    ),
    (re.compile(_FIELD + f"(?:{'|'.join(_TOO_LONG)})", re.IGNORECASE), frozenset({400}), errors.ContentTooLong),
)


def named(status: int, codes: AbstractSet[str], message: str) -> type[UmpireError] | None:
    """The error class that the message names; `codes` in lower case. None: none, the status decides."""
    if not message or not codes <= _GENERIC.get(status, frozenset()):
        return None
    beginning = message.lstrip()[:_LENGTH]
    return next((kind for phrase, of, kind in _NAMES if status in of and phrase.match(beginning)), None)
