"""Reads a provider's answer field by field. A malformed field counts as missing and does not cost the verdict. Pure."""

import json
import math
from collections.abc import Mapping
from typing import Any

from contracts.encoding import loads
from providers.base import StopReason, Usage, safe_stop_reason

#: No call has more tokens: a larger count is an error of the provider.
MOST_TOKENS = 1_000_000_000

#: An integer of more digits is read as a float: the time to read it exactly grows with the square of the digits.
_LONGEST_INTEGER = 20


def document(body: bytes | str) -> dict[str, Any] | None:
    """The JSON object of a body; None if it is not one. NaN and Infinity are accepted, as some providers send them."""
    try:
        found = loads(body)
    except ValueError:
        # The standard library's parser accepts half a surrogate pair, which a model may have written. `lstrip` removes
        # a byte order mark, and `parse_int` allows numbers of thousands of digits.
        try:
            whole = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
            found = json.loads(
                whole.lstrip("\ufeff"),
                parse_int=lambda digits: int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits),
            )
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; a single object counts as a list of one. Anything else is left out."""
    if isinstance(value, dict):
        return [value]
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def stop_reason(reported: Any, known: Mapping[str, StopReason]) -> tuple[StopReason, str]:
    """The stop reason that a provider reports, and the same in its own spelling (empty: an ordinary end)."""
    reason = known.get(reported, StopReason.OTHER) if isinstance(reported, str) else StopReason.OTHER
    return reason, "" if reason is StopReason.END else safe_stop_reason(reported)


def count(value: Any) -> int | None:
    """A count of tokens, or None. 100.0 counts as 100, as in JSON Schema; "100" and true are not numbers."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        return None
    return value


def amount(value: Any) -> float | None:
    """An amount of money, finite and not negative, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


class Counts:
    """The token counts of one answer's usage. `known` turns False when a count that affects the price is unreadable."""

    def __init__(self, value: Any) -> None:
        self._fields = mapping(value)
        self.known = bool(self._fields)

    def needed(self, name: str) -> int:
        """A required count. If it is missing or unreadable, the cost is unknown and the result 0."""
        found = count(self._fields.get(name))
        if found is None:
            self.known = False
        return found or 0

    def optional(self, *path: str) -> int:
        """A count that may be missing or null, then 0. If it is unreadable, the cost is unknown and the result 0."""
        value: Any = self._fields
        for name in path:
            value = mapping(value).get(name)
        if value is None:
            return 0
        found = count(value)
        if found is None:
            self.known = False
        return found or 0

    def inside(self, part: int, whole: int) -> int:
        """`part`, limited to the count that includes it. If it is larger, the cost is unknown."""
        if part > whole:
            self.known = False
        return min(part, whole)


#: Usage of an answer whose cost is unknown.
UNKNOWN_USAGE = Usage(known=False)
