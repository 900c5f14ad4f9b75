"""What must hold of who may do what. As in promises.py, from a run's ledgers to what was found against it."""

from typing import Any

from chaos.evidence import Evidence, reason

CANCELLED = "LLM_REQUEST_CANCELLED"


def cancellations(evidence: Evidence) -> list[str]:
    found = []
    answers: dict[str, set[Any]] = {}
    for delete in evidence.deletes:
        if delete["mine"]:
            answers.setdefault(delete["queue_id"], set()).add(delete["status"])
    for queue_id, arrivals in evidence.events.items():
        statuses, told = answers.get(queue_id, set()), reason(arrivals[0]["event"]) == CANCELLED
        # No answer, or a 5xx, leaves open what became of it.
        possible = any(status is None or status in {200, 500, 503} for status in statuses)
        if (200 in statuses and not told) or (told and not possible):
            found.append(f"{queue_id}: DELETE {statuses}, event {reason(arrivals[0]['event']) or 'verdict'}")
    return found


def let_in(evidence: Evidence) -> list[str]:
    """Without a key that was made; or to what another key submitted, which looks as if it were not there."""
    strangers = [post for post in evidence.posts if post["caller"] == "stranger"]
    others = [delete for delete in evidence.deletes if not delete["mine"]]
    return [
        *[f"number {post['number']}: {post['status']}" for post in strangers if post["status"] not in {None, 401, 503}],
        *[f"DELETE {one['queue_id']}: {one['status']}" for one in others if one["status"] not in {None, 404, 503}],
    ]


def shut_out(evidence: Evidence) -> list[str]:
    """A good key is never called a bad one, whatever is away."""
    return [
        f"number {post['number']}"
        for post in evidence.posts
        if post["caller"] != "stranger" and post["status"] in {401, 403}
    ]


def rejected(evidence: Evidence) -> list[str]:
    """Whatever goes wrong, a good request is never called a bad one."""
    return [
        f"number {post['number']}: {post['status']} {post['answer']}"
        for post in evidence.posts
        if post["outcome"] == "rejected"
    ]
