"""The budget of `umpire tune`, in calls and dollars. No call starts that could exceed either."""

import math

from contracts.http import LLMComparisonRequest
from providers.base import Usage
from providers.models.cost import cost
from providers.models.model_info import ModelInfo
from providers.request.context_window import usual_tokens
from providers.request.prompt import max_tokens, system_prompt, user_prompt

#: Margins of the estimate of a prompt's tokens: tokenizers differ by a third, and the verdict's schema is sent as well.
_PROMPT_MARGIN, _SCHEMA_TOKENS = 1.5, 500


def most_usage(request: LLMComparisonRequest, info: ModelInfo) -> Usage:
    """The most tokens of one call: a generous estimate of the prompt, and the limit of the answer."""
    usual = usual_tokens([system_prompt(request), user_prompt(request)])
    return Usage(input_tokens=round(_PROMPT_MARGIN * usual) + _SCHEMA_TOKENS, output_tokens=max_tokens(request, info))


class Budget:
    """Counts calls and dollars. Each call reserves the most that it can cost until its real cost is known."""

    def __init__(self, info: ModelInfo, most: Usage, *, calls: int | None = None, dollars: float | None = None) -> None:
        self._info = info
        self._calls = calls
        self._dollars = dollars
        self._open = 0
        self._charged = 0.0
        self.each = cost(info, most)
        """The most that one call can cost, in USD; None: the price is unknown."""
        self.made = 0
        self.spent: float | None = 0.0
        """USD of all answers so far; None: the price of one of them is unknown."""

    @property
    def most_dollars(self) -> float | None:
        """The most that all calls can cost, in USD; None: unknown."""
        if not self.each:
            return self.each
        by_calls = math.inf if self._calls is None else self._calls * self.each
        most = min(by_calls, math.inf if self._dollars is None else self._dollars)
        return most if math.isfinite(most) else None

    @property
    def exhausted(self) -> str | None:
        """Why no further call is allowed; None: another call is allowed."""
        if self._calls is not None and self.made >= self._calls:
            return f"{self.made} calls were made, as many as --max-calls allows"
        if self._dollars is not None and self._charged + (self._open + 1) * (self.each or 0.0) > self._dollars:
            return f"another call could cost more than is left of --max-cost {self._dollars:g}"
        return None

    def take(self) -> bool:
        """Reserve the cost of one call. Returns False if the call must not be made."""
        if self.exhausted:
            return False
        self.made += 1
        self._open += 1
        return True

    def answered(self, used: Usage) -> float | None:
        """Replace a call's reservation by its cost. Returns the cost in USD, or None if it is unknown."""
        self._open -= 1
        paid = cost(self._info, used)
        self.spent = None if paid is None or self.spent is None else self.spent + paid
        self._charged += paid or 0.0
        if self.each is not None:
            self.each = max(self.each, paid or 0.0)
        return paid

    def failed(self, *, perhaps_paid: bool) -> None:
        """End a call without an answer. A call that timed out may still be billed: then its reservation is charged."""
        self._open -= 1
        if perhaps_paid:
            self._charged += self.each or 0.0
