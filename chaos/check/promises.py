"""The promises. Each function returns the violations of one, as lines of text. Standard library only."""

import signal
from typing import Any
from uuid import UUID, uuid5

from chaos.check.duplicate_charges import DuplicateCharge, cause
from chaos.check.evidence import Entry, Evidence, reason

#: The contract: the id of an event is uuid5 of its queue id under this namespace.
NAMESPACE = UUID("6f1a1d3e-0b7c-5c39-9a51-2f4b8c7d9e10")

#: The API gives Redis 1 s to accept a request, and Redis accepts none in the last half of it. A refusal that took
#: longer than this came from an API that was paused (no CPU).
STALLED_SECONDS = 1.15

#: Time within which a client notices that the process at the other end of its connection is dead, in seconds.
ON_ITS_WAY_SECONDS = 0.5

#: A call may start this long after the event of its request was read, in seconds: both were in flight.
CROSSING_SECONDS = 1.0


def _content(event: Entry) -> Any:
    """The part of an event that is the same in each delivery."""
    return event["event_id"], event["correlation_id"], event["data"]


def lost(evidence: Evidence) -> list[str]:
    return [queue_id for queue_id in evidence.accepted if queue_id not in evidence.events]


def conflicting(evidence: Evidence) -> list[str]:
    """Two different events of one request."""
    return [
        f"{queue_id}: {one['topic']}/{one['partition']}/{one['offset']} differs from the first event"
        for queue_id, (first, *others) in evidence.events.items()
        for one in others
        if _content(one["event"]) != _content(first["event"])
    ]


def unexplained(charges: list[DuplicateCharge]) -> list[str]:
    return [f"{one.queue_id}: {_named(one.call)} and {_named(one.next)}" for one in charges if one.cause is None]


def _named(call: Entry) -> str:
    return f"call {call['call']} ({call['worker']}, received {call['received']:.3f}, ended {call['ended']:.3f})"


def paid_for_nothing(evidence: Evidence) -> list[str]:
    """An error event of a request with a paid verdict, which no fault explains."""
    return [
        f"{queue_id}: {reason(arrivals[0]['event'])}, call {call['call']} ({call['worker']})"
        for queue_id, arrivals in evidence.events.items()
        if reason(arrivals[0]["event"]) is not None
        for call in evidence.calls_of[queue_id]
        if call["full"] and cause(evidence, call, float("inf")) is None
    ]


def undecided(evidence: Evidence, post: Entry) -> bool:
    """Whether this 503 came while the API could not know if Redis had accepted the request (docs/decisions/0008):
    the API was paused when Redis answered, or Redis failed while it answered.
    """
    if post["status"] != 503:
        return False
    paused = post["at"] - post["sent"] > STALLED_SECONDS
    gone = [one["began"] for one in evidence.redis if one["how"] in {"frozen", "killed"}]
    return paused or any(post["sent"] <= began <= post["at"] for began in gone)


def unrequested(evidence: Evidence) -> list[str]:
    """Events of requests whose POSTs were all refused or rejected, or that were never sent."""
    outcomes: dict[str, set[str]] = {}
    for post in evidence.posts:
        outcome = "unknown" if undecided(evidence, post) else post["outcome"]
        outcomes.setdefault(post["request"]["correlation_id"], set()).add(outcome)
    return [
        f"{queue_id}: {' and '.join(sorted(outcomes.get(arrivals[0]['event']['correlation_id'], {'never sent'})))}"
        for queue_id, arrivals in evidence.events.items()
        if not outcomes.get(arrivals[0]["event"]["correlation_id"], set()) & {"accepted", "unknown"}
    ]


def two_jobs(evidence: Evidence) -> list[str]:
    """By correlation id: the client uses a new one each time that it sends a request without an idempotency key."""
    jobs: dict[str, set[str]] = {}
    for post in evidence.posts:
        if post["queue_id"]:
            jobs.setdefault(post["request"]["correlation_id"], set()).add(post["queue_id"])
    for queue_id, arrivals in evidence.events.items():
        jobs.setdefault(arrivals[0]["event"]["correlation_id"], set()).add(queue_id)
    return [f"correlation id {one}: {', '.join(sorted(ids))}" for one, ids in jobs.items() if len(ids) > 1]


def changed(evidence: Evidence) -> list[str]:
    requests = {post["request"]["correlation_id"]: post["request"] for post in evidence.posts}
    found = []
    for arrival in evidence.arrivals:
        event = arrival["event"]
        data, request = event["data"], requests.get(event["correlation_id"])
        if request is None:
            continue  # reported by `unrequested`
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


def invented(evidence: Evidence) -> list[str]:
    """Each call gets a different justification, so a verdict shows which call it came from."""
    found = []
    for queue_id, arrivals in evidence.events.items():
        data = arrivals[0]["event"]["data"]
        verdict = {name: data[name] for name in ("winner", "justification", "confidence")}
        if reason(arrivals[0]["event"]) is None:
            if not any(call["valid"] and call["verdict"] == verdict for call in evidence.calls_of[queue_id]):
                found.append(queue_id)
        elif any(value is not None for value in verdict.values()):
            found.append(f"{queue_id}: an error with a verdict")
    return found


def answers_differ(evidence: Evidence) -> list[str]:
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


#: Error codes of account errors, which no request causes.
ACCOUNT_FAULTS = frozenset({"LLM_CONFIGURATION_ERROR", "LLM_COST_LIMIT_EXCEEDED"})

#: Seconds until all calls in flight have returned and every worker knows of the hold.
IN_FLIGHT_SECONDS = 3.0


def failed_for_the_account(evidence: Evidence) -> list[str]:
    """A rejected key delays requests; it ends none."""
    return [
        f"{queue_id}: {reason(arrivals[0]['event'])}"
        for queue_id, arrivals in evidence.events.items()
        if reason(arrivals[0]["event"]) in ACCOUNT_FAULTS
    ]


def too_many_probes(evidence: Evidence) -> list[str]:
    """While a key is rejected, only probes are sent: one per interval, and an earlier first one."""
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
    """While one of the API's processes is dead, the other one answers all requests. Exempt: requests that were already
    sent to the dead one, and requests during a later signal to the API.
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
    """A process ends with exit code 0 after SIGTERM, or by our SIGKILL."""
    well = {("SIGTERM", 0), ("SIGKILL", -signal.SIGKILL)}
    return [
        f"{one['part']} ended with {one['code']} after {one['signal'] or 'no signal'}"
        for one in evidence.exits
        if (one["signal"], one["code"]) not in well and not one["part"].startswith("upstream")
    ]


def left_behind(evidence: Evidence) -> list[str]:
    return [f"{name}: {count}" for name, count in (evidence.left or {}).items() if name not in {"at", "kind"} and count]


def unbalanced(evidence: Evidence) -> list[str]:
    """The totals that the service keeps must agree with each other and with the delivered events."""
    books = evidence.books
    if books is None:
        return []
    found = []
    if books["accepted"] != books["ended"] + books["unfinished"]:
        found.append(f"accepted {books['accepted']}, ended {books['ended']}, unfinished {books['unfinished']}")
    if books["base"]:
        found.append(f"they started with a difference of {books['base']}")
    if books["ended"] != len(evidence.events):
        found.append(f"ended {books['ended']}, but {len(evidence.events)} requests have an event")
    return found


def delivered_though_refused(evidence: Evidence) -> int:
    """Number of delivered requests whose refusal came from an API that could not know."""
    refused = {post["request"]["correlation_id"] for post in evidence.posts if undecided(evidence, post)}
    kept = {post["request"]["correlation_id"] for post in evidence.posts if post["outcome"] in {"accepted", "unknown"}}
    delivered = {arrivals[0]["event"]["correlation_id"] for arrivals in evidence.events.values()}
    return len((refused - kept) & delivered)
