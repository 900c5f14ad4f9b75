"""Promises about access and cancellation. Each function returns the violations of one, as in promises.py."""

from typing import Any

from chaos.check.evidence import Evidence, reason

CANCELLED = "LLM_REQUEST_CANCELLED"


def cancellations(evidence: Evidence) -> list[str]:
    found = []
    answers: dict[str, set[Any]] = {}
    for delete in evidence.deletes:
        if delete["mine"]:
            answers.setdefault(delete["queue_id"], set()).add(delete["status"])
    for queue_id, arrivals in evidence.events.items():
        statuses, cancelled = answers.get(queue_id, set()), reason(arrivals[0]["event"]) == CANCELLED
        # Without an answer, or with a 5xx, the request may or may not have been cancelled.
        possible = any(status is None or status in {200, 500, 503} for status in statuses)
        if (200 in statuses and not cancelled) or (cancelled and not possible):
            found.append(f"{queue_id}: DELETE {statuses}, event {reason(arrivals[0]['event']) or 'verdict'}")
    return found


def unauthorized(evidence: Evidence) -> list[str]:
    """A key that was never made gets 401; the request of another key is 404."""
    strangers = [post for post in evidence.posts if post["caller"] == "stranger"]
    others = [delete for delete in evidence.deletes if not delete["mine"]]
    return [
        *[f"number {post['number']}: {post['status']}" for post in strangers if post["status"] not in {None, 401, 503}],
        *[f"DELETE {one['queue_id']}: {one['status']}" for one in others if one["status"] not in {None, 404, 503}],
    ]


def valid_keys_refused(evidence: Evidence) -> list[str]:
    """A valid key is accepted during every outage."""
    return [
        f"number {post['number']}"
        for post in evidence.posts
        if post["caller"] != "stranger" and post["status"] in {401, 403}
    ]


def rejected(evidence: Evidence) -> list[str]:
    """A valid request gets no 4xx during any fault."""
    return [
        f"number {post['number']}: {post['status']} {post['answer']}"
        for post in evidence.posts
        if post["outcome"] == "rejected"
    ]
