"""Parses the verdict in a completion, strictly and without guessing. Pure.

It accepts one JSON object, alone or alone in a ```json fence, with exactly the keys winner, justification and
confidence, each once. Text that is not such an object raises ParsingError, an object that breaks these rules
InvalidResponse.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from contracts.enums import EssayComparisonWinner
from contracts.errors import ContentTooLong, InvalidPrompt, InvalidResponse, ParsingError, UmpireError
from providers.base import ProviderAnswer, StopReason

#: Characters of a justification: consumers reject more than the maximum; the prompt asks for at least the minimum.
JUSTIFICATION_MAX = 500
JUSTIFICATION_MIN = 50
CONFIDENCE_MIN = 1.0
CONFIDENCE_MAX = 5.0

FENCED = "fenced"
CUT = "justification_cut"
SHORT = "justification_short"

_KEYS = frozenset({"winner", "justification", "confidence"})
_FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\r?\n(.*)\n[ \t]*```", re.DOTALL)
_MARK = "…"


#: The accepted spellings of a winner, without the whitespace at both ends.
_WINNER = re.compile(r"(?:(?:Essay|essay|ESSAY)[ _])?([AaBb])")


@dataclass(frozen=True, slots=True)
class Verdict:
    winner: EssayComparisonWinner
    justification: str = field(repr=False)
    confidence: float
    #: What was corrected or noted (FENCED, CUT, SHORT), for `request_metadata.normalised`.
    normalised: tuple[str, ...] = ()


def parse_verdict(completion: ProviderAnswer) -> Verdict:
    """The verdict in an answer.

    Raises
    ------
    InvalidPrompt
        The model refused to judge.
    ContentTooLong
        The context window was used up.
    ParsingError, InvalidResponse
        The answer has no valid verdict.
    """
    match completion.stop_reason:
        case StopReason.REFUSAL:
            raise _unusable(InvalidPrompt, "The provider refused to judge this prompt", "refusal", completion)
        case StopReason.CONTEXT:
            why = "Prompt and answer do not fit the model's context window"
            raise _unusable(ContentTooLong, why, "context_window", completion)
        case StopReason.LENGTH:
            raise _unusable(InvalidResponse, "The answer was cut off at its token limit", "truncated", completion)
    text = completion.text.strip()
    if not text:
        raise _unusable(ParsingError, "The answer is empty", "empty", completion)
    fenced = _FENCE.fullmatch(text)
    answer = _object(fenced[1] if fenced else text)
    if answer.keys() != _KEYS:
        raise InvalidResponse("The answer's keys are not winner, justification and confidence", reason="keys")
    justification, notes = _justification(answer["justification"])
    return Verdict(
        winner=_winner(answer["winner"]),
        justification=justification,
        confidence=_confidence(answer["confidence"]),
        normalised=((FENCED,) if fenced else ()) + notes,
    )


def _unusable(kind: type[UmpireError], message: str, reason: str, completion: ProviderAnswer) -> UmpireError:
    """An error of this class, with the provider's stop reason if there is one."""
    if not completion.stopped:
        return kind(message, reason=reason)
    return kind(f"{message} ({completion.stopped})", reason=reason, finish_reason=completion.stopped)


def holds_verdict(completion: ProviderAnswer) -> bool:
    """Whether the completion has a valid verdict."""
    try:
        parse_verdict(completion)
    except UmpireError:
        return False
    return True


def _object(text: str) -> dict[str, Any]:
    try:
        answer = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        # `from None`, because a JSONDecodeError holds the whole text.
        raise ParsingError("The answer is not the JSON that was asked for", reason=type(error).__name__) from None
    if not isinstance(answer, dict):
        raise ParsingError("The answer is JSON, but no object", reason="no_object")
    return answer


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidResponse("The answer gives a key twice", reason="duplicate_key")
    return found


#: The standard library's parser, not contracts.encoding, because only it reports duplicate keys. Made once: json.loads
#: would make a decoder for each answer.
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs)


def _winner(value: Any) -> EssayComparisonWinner:
    spelling = _WINNER.fullmatch(value.strip()) if isinstance(value, str) else None
    if spelling is None:
        raise InvalidResponse("The answer's winner is neither Essay A nor Essay B", reason="winner")
    return EssayComparisonWinner.ESSAY_A if spelling[1] in "Aa" else EssayComparisonWinner.ESSAY_B


def _confidence(value: Any) -> float:
    # In Python a bool is an int. The JSON parser accepts NaN, which fails the comparison with the range.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidResponse("The answer's confidence is no number", reason="confidence")
    if not CONFIDENCE_MIN <= value <= CONFIDENCE_MAX:
        raise InvalidResponse("The answer's confidence is outside 1 to 5", reason="confidence")
    return float(value)


def _justification(value: Any) -> tuple[str, tuple[str, ...]]:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise InvalidResponse("The answer has no justification", reason="justification")
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell and UTF-8 cannot
        raise InvalidResponse("The answer's justification is not valid Unicode", reason="justification") from None
    if len(text) > JUSTIFICATION_MAX:
        return cut(text), (CUT,)
    return text, ((SHORT,) if len(text) < JUSTIFICATION_MIN else ())


def cut(text: str) -> str:
    """The text cut after the last whole word that leaves room for the ellipsis; a single long word is cut inside."""
    room = JUSTIFICATION_MAX - len(_MARK)
    head = text[:room]
    if not text[room].isspace():
        head = (re.split(r"\s+\S*$", head, maxsplit=1)[0]) or head
    return head.rstrip() + _MARK
