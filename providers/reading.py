"""Reading what a provider sent, field by field: one that cannot be read is not there, and costs no verdict. Pure."""

import json
import math
from typing import Any

from contracts.encoding import loads
from providers.base import Usage

#: No call has more tokens: a larger count is a fault of whoever counted.
MOST_TOKENS = 1_000_000_000


def document(body: bytes | str) -> dict[str, Any] | None:
    """The JSON object of a body; None where it is none. NaN and Infinity are read, as some providers send them."""
    try:
        found = loads(body)
    except ValueError:
        # The standard library's parser also takes half a surrogate pair, which a model may have written.
        try:
            found = json.loads(body.decode("utf-8-sig", "replace") if isinstance(body, bytes) else body)
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; what else is in it is left out."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def count(value: Any) -> int | None:
    """A count of tokens; None where it is none. 100.0 is 100, as JSON Schema has it; "100" and true are no numbers."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        return None
    return value


def amount(value: Any) -> float | None:
    """An amount of money; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


class Counts:
    """The counts of one answer's usage. `known` until one is missed that prices the call."""

    def __init__(self, value: Any) -> None:
        self._fields = mapping(value)
        self.known = bool(self._fields)

    def needed(self, name: str) -> int:
        """A count without which the cost is not known; what cannot be read counts as 0 tokens."""
        found = count(self._fields.get(name))
        if found is None:
            self.known = False
        return found or 0

    def optional(self, *path: str) -> int:
        """A count that many answers leave out or set to null, which is 0. What is there and no count prices nothing."""
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
        """A count that is a part of another: no more than that. Where it claims to be, neither is known."""
        if part > whole:
            self.known = False
        return min(part, whole)


#: Nothing is known of what an answer cost.
UNKNOWN_USAGE = Usage(known=False)
