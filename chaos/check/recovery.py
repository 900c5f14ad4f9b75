"""How long the service took to recover after each fault. Standard library only."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from chaos.check.evidence import Evidence

#: Events are back when a window of this length has at least half as many events as accepted requests.
WINDOW_SECONDS = 2.0
STEP_SECONDS = 0.1
LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class Recovery:
    fault: str
    result: str
    began: float
    lasted: float
    #: Seconds from the end of the fault until events of each provider were back; None: never.
    answers: float | None
    #: Seconds from the end of the fault until all requests accepted before it had an event; None: never.
    backlog: float | None


def recoveries(evidence: Evidence) -> list[Recovery]:
    submitted: dict[str, list[float]] = defaultdict(list)
    answered: dict[str, list[float]] = defaultdict(list)
    waits: list[tuple[float, float | None]] = []
    for queue_id, posts in evidence.accepted.items():
        accepted = min(post["at"] for post in posts)
        delivered = evidence.events[queue_id][0]["at"] if queue_id in evidence.events else None
        provider = posts[0]["request"]["llm_config_overrides"]["provider_override"]
        submitted[provider].append(accepted)
        if delivered is not None:
            answered[provider].append(delivered)
        waits.append((accepted, delivered))
    for times in (*submitted.values(), *answered.values()):
        times.sort()
    return [
        Recovery(
            fault["fault"],
            fault["result"],
            fault["began"],
            fault["ended"] - fault["began"],
            _slowest(_answers(fault["ended"], answered[provider], submitted[provider]) for provider in submitted),
            _backlog(fault["ended"], waits),
        )
        for fault in sorted(evidence.faults, key=lambda fault: fault["began"])
    ]


def _slowest(seconds: Iterable[float | None]) -> float | None:
    longest = 0.0
    for one in seconds:
        if one is None:
            return None
        longest = max(longest, one)
    return longest


def _answers(since: float, answered: list[float], submitted: list[float]) -> float | None:
    seconds = 0.0
    while seconds < LONGEST_SECONDS:
        came, wanted = _within(answered, since + seconds), _within(submitted, since + seconds)
        if came and came >= wanted / 2:
            return seconds
        seconds += STEP_SECONDS
    return None


def _within(times: list[float], start: float) -> int:
    return bisect_right(times, start + WINDOW_SECONDS) - bisect_left(times, start)


def _backlog(until: float, waits: list[tuple[float, float | None]]) -> float | None:
    waited = [delivered for accepted, delivered in waits if accepted <= until]
    if any(delivered is None for delivered in waited):
        return None
    return max(0.0, max((delivered for delivered in waited if delivered is not None), default=until) - until)
