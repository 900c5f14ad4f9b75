"""Requests that were paid more than once, and why. A call is paid if the upstream sent a whole 200 answer."""

from dataclasses import dataclass
from itertools import pairwise

from chaos.check.evidence import Entry, Evidence

#: Longest time between the upstream's last byte and the write of the verdict to Redis, in seconds, while Redis answers.
HANDLING_SECONDS = 2.0

#: A call that took at least this share of its timeout may have been given up by its worker.
LATE_SHARE = 0.97


@dataclass(frozen=True)
class DuplicateCharge:
    """A paid call that was followed by another paid call of its request. `cause` None: unexplained."""

    queue_id: str
    call: Entry
    next: Entry
    cause: str | None


def duplicate_charges(evidence: Evidence) -> list[DuplicateCharge]:
    found = []
    for queue_id, calls in evidence.calls_of.items():
        paid = [call for call in calls if call["full"]]
        found += [
            DuplicateCharge(queue_id, one, after, cause(evidence, one, after["received"]))
            for one, after in pairwise(paid)
        ]
    return found


def cause(evidence: Evidence, call: Entry, again: float) -> str | None:
    """Why a paid call did not end its request, so that another one began at `again`."""
    if not call["valid"]:
        return f"its answer was invalid ({call['fault']})"
    if call["ended"] - call["received"] >= LATE_SHARE * evidence.run["timing"]["attempt"]:
        return "its answer was later than the deadline"
    for signal in evidence.signals:
        if signal["part"] != call["worker"] or signal["signal"] != "SIGKILL":
            continue
        # A call that the worker sent before its death may be received after it.
        if signal["at"] <= again and _held(evidence, call, signal["at"]):
            return "its worker was killed"
    for absence in evidence.absences:
        if absence["part"] == call["worker"] and _overlap(call, absence):
            return (
                f"it was {absence['how']} from its worker" if absence["how"] == "cut off" else "its worker was frozen"
            )
    return None


def _overlap(call: Entry, absence: Entry) -> bool:
    return bool(call["received"] <= absence["ended"] and absence["began"] <= call["ended"] + HANDLING_SECONDS)


def _held(evidence: Evidence, call: Entry, killed: float) -> bool:
    """Whether the worker may not have written the answer yet: it had just come, or Redis was away since it came."""
    if call["ended"] > killed - HANDLING_SECONDS:
        return True
    return any(
        one["began"] <= call["ended"] + HANDLING_SECONDS and killed <= one["ended"] + HANDLING_SECONDS
        for one in evidence.redis
        if one["how"] != "full"  # a full Redis still takes completions
    )
