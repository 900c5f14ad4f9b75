"""Promises about redelivery. Each function returns the violations of one, as in promises.py."""

from chaos.check.evidence import Evidence


def other_bytes(evidence: Evidence) -> list[str]:
    """Each delivery of a result has the same key, value and headers; a redelivery has its number besides."""
    return [
        f"{queue_id}: {one['topic']}/{one['partition']}/{one['offset']}, redelivery {one['redelivery']}"
        for queue_id, (first, *others) in evidence.events.items()
        for one in others
        if "digest" in one and (one["digest"], one["topic"]) != (first["digest"], first["topic"])
    ]


def not_redelivered(evidence: Evidence) -> list[str]:
    """What was answered 202 is published, with its number."""
    return [
        f"{one['queue_id']}: number {one['number']}"
        for one in evidence.redeliveries
        if one["status"] == 202
        and not any(event.get("redelivery") == one["number"] for event in evidence.events.get(one["queue_id"], ()))
    ]


def unasked(evidence: Evidence) -> list[str]:
    """An event has a number only if its result was asked for again, and no higher one than it was asked for."""
    asked: dict[str, int] = {}
    for one in evidence.redeliveries:
        if one["mine"]:
            asked[one["queue_id"]] = asked.get(one["queue_id"], 0) + 1
    return [
        f"{queue_id}: number {event['redelivery']}, asked for {asked.get(queue_id, 0)} times"
        for queue_id, events in evidence.events.items()
        for event in events
        if (event.get("redelivery") or 0) > asked.get(queue_id, 0)
    ]


def wrong_answers(evidence: Evidence) -> list[str]:
    """A finished comparison of this caller is redelivered, another caller's is unknown; 503 or no answer in a fault."""
    return [
        f"{one['queue_id']}: {one['status']}{'' if one['mine'] else ', of another key'}"
        for one in evidence.redeliveries
        if one["status"] not in {None, 503, 202 if one["mine"] else 404}
    ]
