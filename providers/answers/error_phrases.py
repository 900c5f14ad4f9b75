"""Recognises errors by the provider's message: an empty or disabled account, and a prompt over the window. Pure.

All other errors are classified by type, status and structured code, since a message may quote the prompt. These have
only a generic code, so the message decides, under two conditions: status and code are the generic ones, and a fixed
phrase stands at the very beginning of the message, where no provider quotes the request.
"""

import re
from collections.abc import Set as AbstractSet

from contracts import errors
from contracts.errors import UmpireError

#: Characters of a message that are searched: no phrase is longer.
_LENGTH = 200

#: By status, the codes (in lower case) that are no more precise than the status.
_GENERIC = {
    400: frozenset(
        {"invalid_request_error", "invalid_request", "invalid_argument", "failed_precondition", "badrequest"}
    ),
    403: frozenset({"permission_error", "permission_denied", "forbidden"}),
    429: frozenset({"resource_exhausted"}),
}

#: An optional prefix that names a field, such as `messages.0.content: `.
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


def class_by_phrase(status: int, codes: AbstractSet[str], message: str) -> type[UmpireError] | None:
    """The error class that the message indicates, or None: then the status decides. `codes`: in lower case."""
    if not message or not codes <= _GENERIC.get(status, frozenset()):
        return None
    beginning = message.lstrip()[:_LENGTH]
    return next((kind for phrase, of, kind in _NAMES if status in of and phrase.match(beginning)), None)
