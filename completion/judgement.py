"""What a request has used so far, and the outcome of a claim. Pure values."""

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

from pydantic import Field, ValidationError

from contracts.base import Outgoing
from contracts.enums import EssayComparisonWinner, LLMErrorCode
from contracts.errors import UmpireError
from contracts.events import TokenUsage


class Spent(Outgoing):
    """Attempts, tokens and cost of a request so far, over all its claims. Stored in its record between claims."""

    attempts: int = 0
    answers: int = 0
    """Attempts that got an answer without a verdict."""
    usage: TokenUsage = TokenUsage()
    cost: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    cost_known: bool = True
    call_ms: int = 0
    """Total duration of its calls, failed ones included, in ms."""
    hold_marks: dict[str, int] = {}
    """By model, or "" for the whole provider: the mark that the request got when one of its calls raised the hold (see
    guard/hold.py)."""

    last_error: str = ""
    """Error code of its last attempt, for Flower's rows."""

    @classmethod
    def read(cls, kept: bytes) -> Self:
        """Parse the record's field. If it is damaged or of another version: zeros and an unknown cost, no error."""
        if not kept:
            return cls()
        try:
            return cls.model_validate_json(kept)
        except ValidationError:
            return cls(cost_known=False)

    def marked(self, model: str, mark: int) -> "Spent":
        return self.model_copy(update={"hold_marks": {**self.hold_marks, model: mark}})

    def failed(self, code: LLMErrorCode, *, answered: bool) -> "Spent":
        """`answered`: with an answer, but without a verdict."""
        return self.model_copy(update={"last_error": code.value, "answers": self.answers + answered})

    def attempted(self) -> "Spent":
        return self.model_copy(update={"attempts": self.attempts + 1})

    def called(self, seconds: float) -> "Spent":
        """With one more call, which took `seconds`."""
        return self.model_copy(update={"call_ms": self.call_ms + round(1000 * seconds)})

    def paid(self, usage: TokenUsage, cost: float | None) -> "Spent":
        """With usage and cost (USD) of one more answer. A cost that is not finite or below 0 counts as unknown."""
        known = cost is not None and math.isfinite(cost) and cost >= 0
        return self.model_copy(
            update={
                "usage": self.usage + usage,
                "cost": self.cost + (cost if known and cost else 0.0),
                "cost_known": self.cost_known and known,
            }
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of a claim: a verdict, or the error that it ended in."""

    model: str
    spent: Spent
    seconds: float = 0.0
    """Seconds from the first attempt to the end of the last one, waits included."""
    winner: EssayComparisonWinner | None = None
    justification: str | None = field(default=None, repr=False)
    confidence: float | None = None
    normalised: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    error: UmpireError | None = None

    def failed(self, error: UmpireError) -> "Judgement":
        return replace(self, error=error, winner=None, justification=None, confidence=None)

    def without_sums(self, error: UmpireError) -> "Judgement":
        """A judgement with only `error`, and without values that an event could reject: tokens and cost are unknown."""
        spent = Spent(attempts=self.spent.attempts, call_ms=self.spent.call_ms, cost_known=False)
        return Judgement(model=self.model, spent=spent, error=error)
