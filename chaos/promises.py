"""What must hold, each as a function from a run's ledgers to what was found against it. Standard library only."""

import signal
from typing import Any
from uuid import UUID, uuid5

from chaos.bills import Bill, cause
from chaos.evidence import Entry, Evidence, reason

#: Of the contract: an event's id is uuid5 of its queue id under this namespace.
NAMESPACE = UUID("6f1a1d3e-0b7c-5c39-9a51-2f4b8c7d9e10")

#: The door gives the ledger 1 s, and the ledger takes nothing in the last half of it. A refusal that took longer than
#: this came from an API that stood still.
STALLED_SECONDS = 1.15

#: A client learns so soon that the process at the other end of its connection is dead, in seconds.
ON_ITS_WAY_SECONDS = 0.5

#: A call may have been on its way when the event that ended its request was read, in seconds.
CROSSING_SECONDS = 1.0


def _content(event: Entry) -> Any:
    """All that must be the same when an event comes again."""
    return event["event_id"], event["correlation_id"], event["data"]


def lost(evidence: Evidence) -> list[str]:
    return [queue_id for queue_id in evidence.accepted if queue_id not in evidence.events]


def conflicting(evidence: Evidence) -> list[str]:
    """Two ends of one request."""
    return [
        f"{queue_id}: {one['topic']}/{one['partition']}/{one['offset']} is unlike the first event"
        for queue_id, (first, *others) in evidence.events.items()
        for one in others
        if _content(one["event"]) != _content(first["event"])
    ]


def unexplained(bills: list[Bill]) -> list[str]:
    return [f"{bill.queue_id}: {_named(bill.call)} and {_named(bill.next)}" for bill in bills if bill.cause is None]


def _named(call: Entry) -> str:
    return f"call {call['call']} ({call['worker']}, received {call['received']:.3f}, ended {call['ended']:.3f})"


def paid_for_nothing(evidence: Evidence) -> list[str]:
    """An error where a verdict had been paid, and nothing happened to it."""
    return [
        f"{queue_id}: {reason(arrivals[0]['event'])}, call {call['call']} ({call['worker']})"
        for queue_id, arrivals in evidence.events.items()
        if reason(arrivals[0]["event"]) is not None
        for call in evidence.calls_of[queue_id]
        if call["full"] and cause(evidence, call, float("inf")) is None
    ]


def undecided(evidence: Evidence, post: Entry) -> bool:
    """Refused with 503 since the ledger did not answer, where the API could not know whether the ledger had taken it
    (docs/decisions/0008): it stood still as the answer came; or Redis went in that very moment, with the answer.
    """
    if post["status"] != 503:
        return False
    stood_still = post["at"] - post["sent"] > STALLED_SECONDS
    gone = [one["began"] for one in evidence.redis if one["how"] in {"frozen", "killed"}]
    return stood_still or any(post["sent"] <= began <= post["at"] for began in gone)


def unasked(evidence: Evidence) -> list[str]:
    """Told, although nobody was promised it, nor left without an answer."""
    outcomes: dict[str, set[str]] = {}
    for post in evidence.posts:
        outcome = "unknown" if undecided(evidence, post) else post["outcome"]
        outcomes.setdefault(post["asked"]["correlation_id"], set()).add(outcome)
    return [
        f"{queue_id}: {' and '.join(sorted(outcomes.get(arrivals[0]['event']['correlation_id'], {'never asked'})))}"
        for queue_id, arrivals in evidence.events.items()
        if not outcomes.get(arrivals[0]["event"]["correlation_id"], set()) & {"accepted", "unknown"}
    ]


def two_jobs(evidence: Evidence) -> list[str]:
    """By correlation id: a request without a key takes a new one each time it is sent."""
    jobs: dict[str, set[str]] = {}
    for post in evidence.posts:
        if post["queue_id"]:
            jobs.setdefault(post["asked"]["correlation_id"], set()).add(post["queue_id"])
    for queue_id, arrivals in evidence.events.items():
        jobs.setdefault(arrivals[0]["event"]["correlation_id"], set()).add(queue_id)
    return [f"correlation id {one}: {', '.join(sorted(ids))}" for one, ids in jobs.items() if len(ids) > 1]


def changed(evidence: Evidence) -> list[str]:
    asked = {post["asked"]["correlation_id"]: post["asked"] for post in evidence.posts}
    found = []
    for arrival in evidence.arrivals:
        event = arrival["event"]
        data, request = event["data"], asked.get(event["correlation_id"])
        if request is None:
            continue  # told above
        kept = data["request_metadata"]
        same = (
            arrival["key"] == event["correlation_id"] == data["correlation_id"]
            and arrival["topic"] == request["callback_topic"]
            and data["provider"] == request["llm_config_overrides"]["provider_override"]
            and all(name in kept and kept[name] == value for name, value in request["metadata"].items())
        )
        if not same:
            found.append(data["request_id"])
    return found


def wrong_ids(evidence: Evidence) -> list[str]:
    return [
        f"{queue_id}: {arrivals[0]['event']['event_id']}"
        for queue_id, arrivals in evidence.events.items()
        if arrivals[0]["event"]["event_id"] != str(uuid5(NAMESPACE, queue_id))
    ]


def made_up(evidence: Evidence) -> list[str]:
    """Each call answers with words of its own."""
    found = []
    for queue_id, arrivals in evidence.events.items():
        data = arrivals[0]["event"]["data"]
        told = {name: data[name] for name in ("winner", "justification", "confidence")}
        if reason(arrivals[0]["event"]) is None:
            if not any(call["valid"] and call["verdict"] == told for call in evidence.calls_of[queue_id]):
                found.append(queue_id)
        elif any(value is not None for value in told.values()):
            found.append(f"{queue_id}: an error with a verdict")
    return found


def unlike(evidence: Evidence) -> list[str]:
    found = []
    for queue_id, posts in evidence.accepted.items():
        if queue_id not in evidence.events:
            continue
        event = evidence.events[queue_id][0]["event"]
        data = event["data"]
        for post in posts:
            answer = post["answer"]
            if post["status"] == 200:
                names = ("winner", "justification", "confidence", "provider", "model", "token_usage", "correlation_id")
                same = all(answer[name] == data[name] for name in names)
                same = same and answer["metadata"] == data["request_metadata"]
            elif post["status"] == 202:
                same = answer["status"] == "queued"
            else:
                same = answer["error_code"] == reason(event)
            if not same:
                found.append(f"{queue_id}: status {post['status']}, event {reason(event) or 'verdict'}")
    return found


#: Codes of a fault of the account: nothing that a request can be blamed for.
ACCOUNT_FAULTS = frozenset({"LLM_CONFIGURATION_ERROR", "LLM_COST_LIMIT_EXCEEDED"})

#: What was in flight when the key was rejected has come back by then, and every worker has heard of it, in seconds.
IN_FLIGHT_SECONDS = 3.0


def failed_for_the_account(evidence: Evidence) -> list[str]:
    """A rejected key holds requests up; it ends none."""
    return [
        f"{queue_id}: {reason(arrivals[0]['event'])}"
        for queue_id, arrivals in evidence.events.items()
        if reason(arrivals[0]["event"]) in ACCOUNT_FAULTS
    ]


def too_many_probes(evidence: Evidence) -> list[str]:
    """While a key is rejected there are few calls: one each time that a probe is due, and the sooner first one."""
    every: float = evidence.run["timing"].get("hold_probe", 60.0)
    found = []
    for one in evidence.rejections:
        calls = [
            call["received"]
            for call in evidence.calls
            if call["fault"] == "rejected" and call["provider"] == one["provider"]
            and one["began"] <= call["received"] <= one["ended"] + CROSSING_SECONDS
        ]  # fmt: skip
        late = [at for at in calls if at > calls[0] + IN_FLIGHT_SECONDS]
        most = 2 + (one["ended"] - one["began"]) / every
        if len(late) > most:
            found.append(f"{one['provider']}: {len(late)} calls, {most:.0f} at most")
    return found


def called_after_end(evidence: Evidence) -> list[str]:
    return [
        f"{queue_id}: call {call['call']}, {call['received'] - arrivals[0]['at']:.1f} s after its event"
        for queue_id, arrivals in evidence.events.items()
        for call in evidence.calls_of[queue_id]
        if call["received"] > arrivals[0]["at"] + CROSSING_SECONDS
    ]


def unanswered(evidence: Evidence) -> list[str]:
    """While one of the API's processes is dead, the other one answers everything. What was on its way to the one that
    died is lost with it, and so is what a later signal to the API met.
    """
    signals = [one["at"] for one in evidence.signals if one["part"].startswith("api")]
    return [
        f"number {post['number']}: {post['outcome']}, {post['sent'] - one['began']:.1f} s after the kill"
        for one in evidence.one_fewer
        for post in evidence.posts
        if one["began"] + ON_ITS_WAY_SECONDS <= post["sent"] <= one["ended"]
        and post["status"] is None
        and not any(post["sent"] <= at <= post["at"] for at in signals)
    ]


def badly_ended(evidence: Evidence) -> list[str]:
    """A part ends when it is told to, with exit code 0, or is killed by us."""
    well = {("SIGTERM", 0), ("SIGKILL", -signal.SIGKILL)}
    return [
        f"{one['part']} ended with {one['code']}, asked by {one['asked'] or 'nobody'}"
        for one in evidence.exits
        if (one["asked"], one["code"]) not in well and not one["part"].startswith("upstream")
    ]


def left_behind(evidence: Evidence) -> list[str]:
    return [f"{name}: {count}" for name, count in (evidence.left or {}).items() if name not in {"at", "kind"} and count]


def unbalanced(evidence: Evidence) -> list[str]:
    """The service's own books against themselves, and against the events that arrived."""
    books = evidence.books
    if books is None:
        return []
    found = []
    if books["accepted"] != books["ended"] + books["unfinished"]:
        found.append(f"accepted {books['accepted']}, ended {books['ended']}, unfinished {books['unfinished']}")
    if books["base"]:
        found.append(f"they begin with a difference of {books['base']}")
    if books["ended"] != len(evidence.events):
        found.append(f"ended {books['ended']}, but {len(evidence.events)} requests have an event")
    return found


def told_though_refused(evidence: Evidence) -> int:
    """How many were told although they had been refused, by an API that could not know."""
    refused = {post["asked"]["correlation_id"] for post in evidence.posts if undecided(evidence, post)}
    kept = {post["asked"]["correlation_id"] for post in evidence.posts if post["outcome"] in {"accepted", "unknown"}}
    told = {arrivals[0]["event"]["correlation_id"] for arrivals in evidence.events.values()}
    return len((refused - kept) & told)
