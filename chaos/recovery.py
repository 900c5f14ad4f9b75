"""How long it took until things were as before, after each fault. Standard library only."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from chaos.evidence import Evidence

#: Answers count as back when in so many seconds as many came as half of what was accepted.
WINDOW_SECONDS = 2.0
STEP_SECONDS = 0.1
LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class Recovery:
    fault: str
    told: str
    began: float
    lasted: float
    #: Seconds from its end until answers came again, of each provider at least half as many as were asked for in the
    #: same moment; None: never.
    answers: float | None
    #: Seconds from its end until all that had been accepted by then was answered.
    backlog: float | None


def recoveries(evidence: Evidence) -> list[Recovery]:
    asked: dict[str, list[float]] = defaultdict(list)
    answered: dict[str, list[float]] = defaultdict(list)
    waits: list[tuple[float, float | None]] = []
    for queue_id, posts in evidence.accepted.items():
        accepted = min(post["at"] for post in posts)
        told = evidence.events[queue_id][0]["at"] if queue_id in evidence.events else None
        provider = posts[0]["asked"]["llm_config_overrides"]["provider_override"]
        asked[provider].append(accepted)
        if told is not None:
            answered[provider].append(told)
        waits.append((accepted, told))
    for times in (*asked.values(), *answered.values()):
        times.sort()
    return [
        Recovery(
            fault["fault"],
            fault["told"],
            fault["began"],
            fault["ended"] - fault["began"],
            _slowest(_answers(fault["ended"], answered[provider], asked[provider]) for provider in asked),
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


def _answers(since: float, answered: list[float], asked: list[float]) -> float | None:
    seconds = 0.0
    while seconds < LONGEST_SECONDS:
        came, wanted = _within(answered, since + seconds), _within(asked, since + seconds)
        if came and came >= wanted / 2:
            return seconds
        seconds += STEP_SECONDS
    return None


def _within(times: list[float], start: float) -> int:
    return bisect_right(times, start + WINDOW_SECONDS) - bisect_left(times, start)


def _backlog(until: float, waits: list[tuple[float, float | None]]) -> float | None:
    waited = [told for accepted, told in waits if accepted <= until]
    if any(told is None for told in waited):
        return None
    return max(0.0, max((told for told in waited if told is not None), default=until) - until)
