"""What becomes of a request at the end of a claim. Pure functions."""

from enum import StrEnum
from random import Random
from typing import NamedTuple

from completion.judgement import Judgement, Spent
from contracts.errors import AnswerError, is_permanent
from contracts.settings import RetrySettings
from guard.retry import MAX_ANSWERS, next_deferral
from tasks.call.claim_state import NotNow


class Action(StrEnum):
    COMPLETE = "complete"
    """End the request with its verdict."""
    FAIL = "fail"
    """End the request with its error."""
    DEFER = "defer"
    """Return the request to its queue after a delay. It costs one of its tries."""
    RELEASE = "release"
    """Return the request to its queue at once, without a try."""
    PARK = "park"
    """Defer the request until its model's hold ends, without a try."""


class Decision(NamedTuple):
    action: Action
    reason: str = ""
    """Why the request is released or parked."""
    front: bool = False
    """Release to the front of the queue instead of the back."""
    delay: float = 0.0
    """Seconds until a deferred request may be claimed again."""
    pause: float = 0.0
    """Seconds for which all workers of the provider pause; 0: they do not."""


def decide(
    judgement: Judgement,
    *,
    tries: int,
    stopping: bool,
    shut: str | None,
    settings: RetrySettings,
    random: Random,
) -> Decision:
    """The decision after a claim that made its calls.

    `tries`: deferrals so far that cost a try. `stopping`: this process stops. `shut`: why the provider's gate lets no
    call through; None: it does.
    """
    error = judgement.error
    if error is None:
        return Decision(Action.COMPLETE)
    answered = isinstance(error, AnswerError)
    if is_permanent(error) or (answered and judgement.spent.answers >= MAX_ANSWERS):
        return Decision(Action.FAIL)
    if stopping:
        return Decision(Action.RELEASE, "stopping", front=True)
    if answered:
        return Decision(Action.FAIL)
    if shut is not None:
        # An outage costs no try. To the back of the queue, lest a request that breaks its provider be every probe.
        return Decision(Action.RELEASE, shut)
    wait = error.retry_after
    pause = wait if wait is not None and wait > settings.retry_after_max_seconds else 0.0
    delay = next_deferral(tries, settings, random, retry_after=wait)
    return Decision(Action.FAIL, pause=pause) if delay is None else Decision(Action.DEFER, delay=delay, pause=pause)


def decide_not_now(reason: NotNow, before: Spent) -> Decision:
    """The decision after a claim in which no call may start. `before`: what the request had used before the claim."""
    if reason.reason == "model_hold":
        return Decision(Action.PARK, reason.reason, pause=reason.seconds)
    return Decision(Action.RELEASE, reason.reason, front=reason.spent == before, pause=reason.seconds)
