"""Does a worker find what its provider takes? From a backlog, with more slots than that, against an upstream whose
limit it does not know: what it gets through once it has settled, against the best that a fixed number of slots could.
"""

import time
from dataclasses import dataclass
from typing import Any

from benchmarks.events import Stuck
from benchmarks.filling import Filler
from benchmarks.stack import Servers
from contracts.settings import CONCERNS, variables

UPSTREAM_MS = 400.0
#: Of each worker process; far more than any limit needs.
SLOTS = 150
#: It has settled after the first part, and the second one counts, in seconds. A minute is allowed.
SETTLE, MEASURE = 45.0, 15.0
#: The limit is reached at this share of the best rate, over this many seconds.
NEARLY, OVER_SECONDS = 0.9, 5.0
SETTING = "UMPIRE_ADAPTIVE_CONCURRENCY"
_EVERY_SECONDS = 0.5


@dataclass(frozen=True)
class Scene:
    #: As go/upstream/limits.go has it.
    limit: dict[str, str | int]
    #: Calls a second at best; None: what a fixed number of slots gets through is measured.
    best: float | None
    workers: int = 1


@dataclass(frozen=True)
class Moment:
    #: Seconds since the workers were ready.
    at: float
    #: Taken, and refused, by the upstream since then.
    calls: float
    refused: float


#: 40 calls at a time, and 6,000 a minute, are 100 a second each.
SCENES = {
    "concurrency": Scene({"concurrency": 40}, 40 * 1000 / UPSTREAM_MS, workers=2),
    "concurrency, no Retry-After": Scene({"concurrency": 40, "retry_after": "none"}, 40 * 1000 / UPSTREAM_MS),
    "RPM in headers": Scene({"rpm": 6000, "headers": "true"}, 100.0),
    "RPM, not announced": Scene({"rpm": 6000, "retry_after": "none"}, 100.0),
    "no limit": Scene({}, None),
}


def adaptive(servers: Servers, *, scale: float) -> dict[str, Any]:
    """`scale` makes all times shorter."""
    return {name: _scene(servers, scene, scale) for name, scene in SCENES.items()}


def _scene(servers: Servers, scene: Scene, scale: float) -> dict[str, float]:
    best = scene.best
    if best is None:
        # Without a limit, it is only the process that has to get warm.
        best = _run(servers, scene, SETTLE * scale / 3, MEASURE * scale, None, **_fixed())["rate"]
    found = _run(servers, scene, SETTLE * scale, MEASURE * scale, best)
    return found | {"best": best, "of_best": found["rate"] / best}


def _fixed() -> dict[str, str]:
    """A product that has no such setting has fixed slots as it is."""
    known = any(SETTING in variables(concern) for concern in CONCERNS)
    return {SETTING: "false"} if known else {}


def _run(
    servers: Servers, scene: Scene, settle: float, measure: float, best: float | None, **settings: str
) -> dict[str, float]:
    servers.reset(UPSTREAM_MS, limit=scene.limit)
    most = scene.best or scene.workers * SLOTS * 1000 / UPSTREAM_MS
    start_calls, start_refused = servers.provider.count("calls", "refused")
    seen: list[Moment] = []
    with servers.consumer() as (topic, events, consumer), Filler(servers.redis.url, topic) as filler:
        filler.fill(int(1.2 * most * (settle + measure)))
        with servers.workers(scene.workers, SLOTS, **settings) as workers:
            began = time.monotonic()

            def watch(until: float) -> Moment:
                while not seen or seen[-1].at < until:
                    time.sleep(_EVERY_SECONDS)
                    calls, refused = servers.provider.count("calls", "refused")
                    seen.append(Moment(time.monotonic() - began, calls - start_calls, refused - start_refused))
                    servers.check_alive(consumer, *workers)
                return seen[-1]

            first = watch(settle)
            last = watch(first.at + measure)
            events.read()
            if events.distinct >= filler.count:
                raise Stuck("the backlog ran empty")
    servers.reset(UPSTREAM_MS)
    calls, refused = last.calls - first.calls, last.refused - first.refused
    found = {
        "rate": calls / (last.at - first.at),
        "refused_share": refused / max(calls + refused, 1),
        "refused_in_all": last.refused / max(last.calls + last.refused, 1),
        "failed": events.errors,
    }
    return found if best is None else found | {"reached_seconds": _reached(seen, best)}


def _reached(seen: list[Moment], best: float) -> float:
    """Seconds until nearly the best was kept up for a while; as long as it was watched, when never."""
    for now in seen:
        past = [one for one in seen if one.at <= now.at - OVER_SECONDS]
        if past and (now.calls - past[-1].calls) / (now.at - past[-1].at) >= NEARLY * best:
            return now.at
    return seen[-1].at
