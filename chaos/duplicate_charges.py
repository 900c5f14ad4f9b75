"""What was paid more than once, and why. A call is paid when the upstream answered it whole, with status 200."""

from dataclasses import dataclass
from itertools import pairwise

from chaos.evidence import Entry, Evidence

#: Between the upstream's last byte and the ledger's having taken the verdict, in seconds, while Redis answers.
HANDLING_SECONDS = 2.0

#: A call that took this share of its time was given up by its worker, or would have been a moment later.
LATE_SHARE = 0.97


@dataclass(frozen=True)
class Bill:
    """A call that was paid although it was not its request's last one; no cause: nothing explains it."""

    queue_id: str
    call: Entry
    next: Entry
    cause: str | None


def second_bills(evidence: Evidence) -> list[Bill]:
    found = []
    for queue_id, calls in evidence.calls_of.items():
        paid = [call for call in calls if call["full"]]
        found += [Bill(queue_id, one, after, cause(evidence, one, after["received"])) for one, after in pairwise(paid)]
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
        # What it sent before may be read after its death; it sent nothing afterwards.
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
    """Whether the worker can still have had the answer in hand: not yet come, or Redis away ever since."""
    if call["ended"] > killed - HANDLING_SECONDS:
        return True
    return any(
        one["began"] <= call["ended"] + HANDLING_SECONDS and killed <= one["ended"] + HANDLING_SECONDS
        for one in evidence.redis
        if one["how"] != "full"  # what ends a request runs then, too
    )
