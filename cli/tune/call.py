"""One call of `umpire tune`: sends a sample comparison with the provider's adapter, like a worker."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cli.tune.budget import Budget
from cli.tune.level import CallResult
from contracts.errors import (
    AnswerError,
    ProviderRateLimited,
    ProviderServerError,
    ProviderTimeout,
    ProviderUnavailable,
    UmpireError,
    is_permanent,
)
from contracts.http import LLMComparisonRequest
from guard.grace_timeout import GraceTimeout, within_grace
from providers.answers.verdict import parse_verdict
from providers.base import Provider, ProviderAnswer, RateHeaders
from providers.models.model_info import ModelInfo
from providers.request.prompt import build_call


@dataclass
class TuneCaller:
    provider: Provider
    info: ModelInfo
    #: n → the n-th comparison.
    request: Callable[[int], LLMComparisonRequest]
    budget: Budget
    #: Of one call, in seconds.
    timeout: float
    #: The last rate limits in the provider's headers.
    announced: RateHeaders = field(default_factory=RateHeaders)
    #: No call may start before this time (time.monotonic), because of a Retry-After.
    resume: float = 0.0
    _mark: str = field(default_factory=lambda: f"tune-{time.time_ns():x}")

    async def call(self) -> CallResult | None:
        """One call; None when the budget forbids it."""
        if not self.budget.take():
            return None
        number = self.budget.made
        call, _ = build_call(self.request(number), self.info, attempt_id=f"{self._mark}.{number}")
        began = time.monotonic()
        try:
            completion = await within_grace(self.timeout, self.provider.complete(call))
        except GraceTimeout:
            return self._failed(began, ProviderTimeout(f"no whole answer within {self.timeout:g} s"))
        except UmpireError as error:
            return self._failed(began, error)
        except asyncio.CancelledError:
            self.budget.failed(perhaps_paid=True)
            raise
        return self._answered(began, completion)

    def _answered(self, began: float, completion: ProviderAnswer) -> CallResult:
        used = completion.usage
        if (headers := completion.headers) is not None:
            known = self.announced
            self.announced = replace(
                headers,
                requests_limit=headers.requests_limit or known.requests_limit,
                tokens_limit=headers.tokens_limit or known.tokens_limit,
            )
        tokens = used.input_tokens + used.output_tokens
        ended = CallResult(began, time.monotonic(), tokens=tokens, cost=self.budget.answered(used))
        try:
            parse_verdict(completion)
        except UmpireError as error:
            return replace(ended, code=error.code.value, error=error)
        return ended

    def _failed(self, began: float, error: UmpireError) -> CallResult:
        overloaded = isinstance(error, ProviderUnavailable) and "status_code" in error.details
        refused = isinstance(error, ProviderRateLimited) or overloaded
        free = refused or is_permanent(error) or isinstance(error, ProviderUnavailable | ProviderServerError)
        self.budget.failed(perhaps_paid=not free or isinstance(error, AnswerError))
        if error.retry_after:
            self.resume = max(self.resume, time.monotonic() + error.retry_after)
        return CallResult(began, time.monotonic(), code=error.code.value, refused=refused, cost=0.0, error=error)
