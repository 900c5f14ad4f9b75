"""Retries within a claim: the policy, as a pure function."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import (
    InternalError,
    InvalidPrompt,
    InvalidResponse,
    ParsingError,
    ProviderMisconfigured,
    ProviderRateLimited,
    ProviderRejected,
    ProviderServerError,
    ProviderTimeout,
    ProviderUnavailable,
    SpendLimitReached,
    UmpireError,
)
from contracts.settings import RetrySettings
from guard.retry import RetryPolicy, decide

POLICY = RetryPolicy.from_settings(RetrySettings())
TRANSIENT = [ProviderUnavailable, ProviderServerError, ProviderTimeout, ProviderRateLimited]
PERMANENT = [ProviderRejected, ProviderMisconfigured, SpendLimitReached, InvalidPrompt, InternalError]


def test_default_policy() -> None:
    assert RetryPolicy(attempts=3, deadline=120.0, attempt_timeout=36.0, initial=0.5, retry_after_max=10.0) == POLICY


@pytest.mark.parametrize("kind", PERMANENT)
def test_a_permanent_error_ends_it_at_once(kind: type[UmpireError]) -> None:
    assert decide(kind("no", retry_after=1.0), 1, 0, 0.1, POLICY) is None


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_transient_error_gets_the_attempts_that_were_set(kind: type[UmpireError]) -> None:
    assert decide(kind("no"), 1, 0, 0.1, POLICY) == 0.5
    assert decide(kind("no"), 2, 0, 0.1, POLICY) == 1.0
    assert decide(kind("no"), 3, 0, 0.1, POLICY) is None


@pytest.mark.parametrize("kind", [ParsingError, InvalidResponse])
@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_a_first_answer_without_verdict_gets_one_more_attempt_whatever_came_before(
    kind: type[UmpireError], attempt: int
) -> None:
    assert decide(kind("no"), attempt, 1, 0.1, POLICY) == 0.0
    assert decide(kind("no"), attempt + 1, 2, 0.1, POLICY) is None


def test_retry_after_is_waited_for_and_spread() -> None:
    error = ProviderRateLimited("slow down", retry_after=4.0)
    assert decide(error, 1, 0, 0.1, POLICY, jitter=0.0) == 4.0
    assert decide(error, 1, 0, 0.1, POLICY, jitter=1.0) == pytest.approx(4.4)


@pytest.mark.parametrize(
    ("retry_after", "elapsed", "why"),
    [(10.5, 0.1, "over the bound"), (3600.0, 0.1, "far over the bound"), (9.0, 105.0, "most of what is left")],
)
def test_a_retry_after_that_is_too_long_ends_it(retry_after: float, elapsed: float, why: str) -> None:
    assert decide(ProviderRateLimited("slow down", retry_after=retry_after), 1, 0, elapsed, POLICY) is None, why


def test_a_retry_after_of_zero_still_backs_off() -> None:
    assert decide(ProviderUnavailable("no", retry_after=0.0), 2, 0, 0.1, POLICY, jitter=0.5) == 0.5


@pytest.mark.parametrize("error", [ProviderUnavailable("no"), ParsingError("no")])
def test_nothing_follows_the_deadline(error: UmpireError) -> None:
    assert decide(error, 1, 1, 120.0, POLICY) is None


POLICIES = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 10),
    deadline=st.floats(0.01, 600),
    attempt_timeout=st.floats(0.001, 900),
    initial=st.floats(0, 60),
    retry_after_max=st.floats(0, 60),
)


@given(policy=POLICIES, attempt=st.integers(1, 12), elapsed=st.floats(0, 700), jitter=st.floats(0, 1))
def test_a_wait_ends_before_the_deadline(policy: RetryPolicy, attempt: int, elapsed: float, jitter: float) -> None:
    for error in (ProviderUnavailable("no"), ProviderRateLimited("no", retry_after=3.0)):
        wait = decide(error, attempt, 0, elapsed, policy, jitter=jitter)
        assert wait is None or 0 <= wait < policy.deadline - elapsed


@given(
    n=st.integers(1, 10),
    deadline=st.floats(0.1, 600),
    initial=st.floats(0, 1e3),
    jitter=st.floats(0, 1),
    share=st.floats(0, 1),
)
def test_all_attempts_and_waits_fit_into_the_deadline(
    n: int, deadline: float, initial: float, jitter: float, share: float
) -> None:
    """With the default attempt timeout, every attempt gets all of its time, even if each one before used its own up."""
    policy = RetryPolicy.from_settings(
        RetrySettings(retry_attempts=n, call_deadline_seconds=deadline, retry_initial_seconds=initial)
    )
    elapsed = 0.0
    for attempt in range(1, n + 1):
        assert deadline - elapsed >= policy.attempt_timeout * (1 - 1e-9)
        elapsed += policy.attempt_timeout * (1.0 if share > 0.5 else share)
        wait = decide(ProviderTimeout("no"), attempt, 0, elapsed, policy, jitter=jitter)
        assert (wait is None) == (attempt == n)
        elapsed += wait or 0.0
    assert elapsed <= deadline * (1 + 1e-9)


def test_backing_off_survives_an_attempt_timeout_as_long_as_the_deadline() -> None:
    policy = RetryPolicy(attempts=3, deadline=10.0, attempt_timeout=10.0, initial=0.5, retry_after_max=10.0)
    assert decide(ProviderUnavailable("no"), 1, 0, 0.0, policy) == pytest.approx(0.5)
