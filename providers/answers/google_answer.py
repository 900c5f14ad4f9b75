"""Parses an answer of the Gemini API: body to completion. Pure."""

from collections.abc import Mapping
from typing import Any

from contracts.enums import LLMProviderType
from providers.answers.error_mapping import ErrorFormat, answer_or_raise, error_of_object, is_error, unreadable_answer
from providers.answers.fields import Counts, document, items, mapping, stop_reason, text
from providers.base import ProviderAnswer, StopReason, Usage, answer_model, safe_stop_reason

ERRORS = ErrorFormat(
    LLMProviderType.GOOGLE,
    # Reasons in ErrorInfo: Google answers a bad key with status 400.
    credentials=frozenset(
        {
            "API_KEY_INVALID",
            "API_KEY_EXPIRED",
            "API_KEY_SERVICE_BLOCKED",
            "API_KEY_HTTP_REFERRER_BLOCKED",
            "API_KEY_IP_ADDRESS_BLOCKED",
            "CONSUMER_INVALID",
            "CONSUMER_SUSPENDED",
            "SERVICE_DISABLED",
        }
    ),
)

#: Finish reasons after which the same prompt would be refused again. After OTHER or a malformed answer another call may
#: succeed.
_REFUSED = (
    "SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION", "PUP_LIMITED_DISABLED",
    "RECITATION", "LANGUAGE",
)  # fmt: skip

_STOPS = {
    "STOP": StopReason.END,
    "MAX_TOKENS": StopReason.LENGTH,
    # Gemini 4 offers to continue in another call, but each of our calls is one call upstream.
    "CONTINUATION": StopReason.LENGTH,
    **dict.fromkeys(_REFUSED, StopReason.REFUSAL),
}


def parse_answer(body: bytes | str, headers: Mapping[str, str], model: str) -> ProviderAnswer:
    """The completion in a body. `model` is the requested model.

    Raises
    ------
    ParsingError
        The body is not an answer of this API.
    UmpireError
        The answer reports an error.
    """
    answer = document(body)
    if answer is None:
        raise unreadable_answer(LLMProviderType.GOOGLE)
    error = answer.get("error")
    candidate = next(iter(items(answer.get("candidates"))), {})
    blocked = text(mapping(answer.get("promptFeedback")).get("blockReason"))
    reason, stopped = stop_reason(candidate.get("finishReason"), _STOPS)
    parts = items(mapping(candidate.get("content")).get("parts"))
    found = ProviderAnswer(
        text="".join(text(part.get("text")) for part in parts if part.get("thought") is not True),
        model=answer_model(text(answer.get("modelVersion")), model),
        usage=_usage(answer.get("usageMetadata")),
        stop_reason=reason,
        stopped=safe_stop_reason(blocked) or stopped,
    )
    if is_error(error):
        return answer_or_raise(found, error=error_of_object(error, ERRORS, headers))
    return answer_or_raise(found, refused=True) if blocked else found


def _usage(value: Any) -> Usage:
    counts = Counts(value)
    input_tokens, thoughts = counts.needed("promptTokenCount"), counts.optional("thoughtsTokenCount")
    return Usage(
        input_tokens=input_tokens,
        # Google counts thoughts separately from the answer, and charges the same price for them.
        output_tokens=counts.needed("candidatesTokenCount") + thoughts,
        cached_tokens=counts.inside(counts.optional("cachedContentTokenCount"), input_tokens),
        reasoning_tokens=thoughts,
        known=counts.known,
    )
