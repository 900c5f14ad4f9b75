"""The goals of the service (issue 5): the required and the desired value of each line, and the medians that it uses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


def only(values: Sequence[float | None]) -> float | None:
    return values[0]


def best(values: Sequence[float | None]) -> float | None:
    """The largest of those that were measured."""
    return max((value for value in values if value is not None), default=None)


def worst(values: Sequence[float | None]) -> float | None:
    """The largest, where each must be small; all must have been measured."""
    return None if None in values else best(values)


def times(values: Sequence[float | None]) -> float | None:
    """The better of the first ones over the last one."""
    *ours, other = values
    mine = best(ours)
    return mine / other if mine is not None and other else None


@dataclass(frozen=True)
class Goal:
    line: int
    what: str
    must: float
    goal: float | None
    #: Which values are better.
    better: Literal["more", "less"]
    #: Where the value is in the medians: names from the case down, with dots between.
    at: tuple[str, ...]
    value: Callable[[Sequence[float | None]], float | None] = only
    unit: str = ""

    @property
    def cases(self) -> frozenset[str]:
        return frozenset(path.split(".")[0] for path in self.at)

    def read(self, medians: Mapping[str, Any]) -> float | None:
        """None where it was not measured."""
        return self.value([_at(medians, path) for path in self.at])

    def met(self, value: float, bar: float) -> bool:
        return value >= bar if self.better == "more" else value <= bar


def _at(medians: Mapping[str, Any], path: str) -> float | None:
    found: Any = medians
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return float(found)


_PACED = ("paced.rate", "paced_moderate.rate")
#: Compared with peers at their highest rate: none of them accepts first and works later.
_MOST = ("backlog.rate", *_PACED)
_SCENES = ("concurrency", "concurrency, no Retry-After", "RPM in headers", "RPM, not announced", "no limit")
_REFUSED = tuple(f"adaptive.{name}.refused_share" for name in _SCENES)
_SDKS = ("starting.api_sdks", "starting.worker_foreign_sdks")

GOALS = (
    Goal(1, "accept, share of a bare echo's rate", 0.5, 0.65, "more", ("accept.of_echo",)),
    Goal(1, "accept at 80 % of its most, p99 ÷ p50 by stretch", 4, None, "less", ("accept.steady_p99_of_p50",)),
    Goal(1, "a batch of 200, 3,000 characters each, p50", 60, None, "less", ("batch.of_200.p50_ms",), unit="ms"),
    Goal(1, "a batch of 200, CPU of the API for each", 0.05, None, "less", ("batch.of_200.api_cpu_ms",), unit="ms"),
    Goal(1, "single requests beside batches, p99 ÷ without", 1.3, None, "less", ("batch.p99_beside_of_alone",)),
    Goal(2, "from a full backlog", 700, 1000, "more", ("backlog.rate",), unit="/s"),
    Goal(2, "paced, the better of two offers", 500, 900, "more", _PACED, best, "/s"),
    Goal(2, "the most ÷ LiteLLM's", 3, 5, "more", (*_MOST, "peers.litellm.rate"), times),
    Goal(2, "the most ÷ Portkey's", 1, None, "more", (*_MOST, "peers.portkey.rate"), times),
    Goal(2, "openai, from a full backlog", 700, 1000, "more", ("backlog_openai.rate",), unit="/s"),
    Goal(2, "openai, paced", 500, None, "more", ("paced_openai.rate",), unit="/s"),
    Goal(2, "google, from a full backlog", 700, 1000, "more", ("backlog_google.rate",), unit="/s"),
    Goal(2, "google, paced", 500, None, "more", ("paced_google.rate",), unit="/s"),
    Goal(3, "added, submit → event, p50", 10, 6, "less", ("single.event_added_p50_ms",), unit="ms"),
    Goal(3, "added, submit → event, p95", 25, 12, "less", ("single.event_added_p95_ms",), unit="ms"),
    Goal(3, "added, immediate's 200, p50", 10, 6, "less", ("single.answer_added_p50_ms",), unit="ms"),
    Goal(3, "added, immediate's 200, p95", 25, 12, "less", ("single.answer_added_p95_ms",), unit="ms"),
    Goal(3, "immediate, 100/s, 300 ms upstream, p95", 500, None, "less", ("immediate.p95_ms",), unit="ms"),
    Goal(4, "of ideal, 1 s, 200 in flight, backlog", 0.95, None, "more", ("slow_backlog.of_ideal",)),
    Goal(4, "of ideal, 1 s, 200 in flight, paced", 0.95, None, "more", ("slow_paced.of_ideal",)),
    Goal(4, "of ideal, log-normal, backlog", 0.95, None, "more", ("spread_backlog.of_ideal",)),
    Goal(4, "of ideal, log-normal, paced", 0.95, None, "more", ("spread_paced.of_ideal",)),
    Goal(4, "of ideal, 3 s, 1,000 in flight in two", 0.9, None, "more", ("thousand.of_ideal",)),
    Goal(5, "worker, most memory, 200 in flight", 180, None, "less", ("memory.worker.most_mb",), unit="MB"),
    Goal(5, "worker, growth over 50,000", 0.05, None, "less", ("memory.worker.growth",)),
    Goal(5, "API, most memory", 90, None, "less", ("memory.api.most_mb",), unit="MB"),
    Goal(5, "API, growth over 50,000", 0.05, None, "less", ("memory.api.growth",)),
    Goal(5, "API, import", 0.6, None, "less", ("starting.import_seconds",), unit="s"),
    Goal(5, "worker, ready", 2, None, "less", ("starting.worker_ready_seconds",), unit="s"),
    Goal(5, "SDKs that nobody needs there", 0, None, "less", _SDKS, worst),
    Goal(6, "CPU each, 1k, 10k, 100k waiting: spread", 1.1, None, "less", ("depth.cpu_spread",)),
    Goal(6, "time each, 1k, 10k, 100k waiting: spread", 1.1, None, "less", ("depth.time_spread",)),
    Goal(6, "Redis' memory ÷ (1.3 bodies + 2 KB)", 1, None, "less", ("depth.memory.of_allowed",)),
    *(Goal(7, f"of the best: {name}", 0.9, None, "more", (f"adaptive.{name}.of_best",)) for name in _SCENES),
    Goal(7, "refused once settled, the worst", 0.02, None, "less", _REFUSED, worst),
    Goal(8, "new connections per 1,000 calls ÷ slots", 2, None, "less", ("backlog.connections_per_1000_and_slot",)),
)
