"""Checks a run. It reads four journals and compares them: accepted requests (the client's answers), delivered events
(Kafka), paid calls (the upstream), and faults. Standard library only.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from chaos.check import access, promises, redelivery
from chaos.check.duplicate_charges import DuplicateCharge, duplicate_charges
from chaos.check.evidence import Evidence, reason

EXPIRED = "LLM_REQUEST_EXPIRED"


@dataclass
class Report:
    """`broken`: promise → violations, one line each. An empty list: the promise was kept."""

    counts: dict[str, Any]
    duplicate_charges: list[DuplicateCharge]
    broken: dict[str, list[str]]

    @property
    def ok(self) -> bool:
        return not any(self.broken.values())


def judge(evidence: Evidence) -> Report:
    charges = duplicate_charges(evidence)
    broken = {
        "lost": promises.lost(evidence),
        "conflicting": promises.conflicting(evidence),
        "paid twice without a cause": promises.unexplained(charges),
        "paid for a verdict, but ended as an error without a cause": promises.paid_for_nothing(evidence),
        "an event of a request that was refused or never sent": promises.unrequested(evidence),
        "one Idempotency-Key, two jobs": promises.two_jobs(evidence),
        "changed on its way (key, correlation id, metadata, topic)": promises.changed(evidence),
        "event id is not uuid5 of the queue id": promises.wrong_ids(evidence),
        "a verdict that no call of this request gave": promises.invented(evidence),
        "two deliveries of a result with different bytes": redelivery.other_bytes(evidence),
        "a redelivery was accepted, and never published": redelivery.not_redelivered(evidence),
        "a redelivery that nobody asked for": redelivery.unasked(evidence),
        "a wrong answer to a request for a redelivery": redelivery.wrong_answers(evidence),
        "HTTP answer and event differ": promises.answers_differ(evidence),
        "DELETE and event disagree about a cancellation": access.cancellations(evidence),
        "access without a key, or to another key's request": access.unauthorized(evidence),
        "a valid key refused": access.valid_keys_refused(evidence),
        "failed, though only the account was at fault": promises.failed_for_the_account(evidence),
        "more calls than probes while a key was rejected": promises.too_many_probes(evidence),
        "called after the request had ended": promises.called_after_end(evidence),
        "no answer, though only one of two API processes was dead": promises.unanswered(evidence),
        "a process ended without a signal, or with a wrong exit code": promises.badly_ended(evidence),
        "a valid request rejected": access.rejected(evidence),
        "left in Redis at the end": promises.left_behind(evidence),
        "the books do not balance": promises.unbalanced(evidence),
    }
    return Report(_counts(evidence, charges, broken), charges, broken)


def _counts(evidence: Evidence, charges: list[DuplicateCharge], broken: dict[str, list[str]]) -> dict[str, Any]:
    posts = Counter(post["outcome"] for post in evidence.posts)
    firsts = [arrivals[0]["event"] for arrivals in evidence.events.values()]
    outcomes = Counter(reason(event) or "verdict" for event in firsts)
    accepted = evidence.accepted
    return {
        "submissions": len(evidence.posts),
        "of these in batches": sum(bool(post.get("in_batch")) for post in evidence.posts),
        "accepted": len(accepted),
        "arrived": sum(queue_id in evidence.events for queue_id in accepted),
        "lost": len(broken["lost"]),
        "conflicting": len(broken["conflicting"]),
        "duplicated (the same event again: allowed)": sum(len(found) - 1 for found in evidence.events.values()),
        "asked for again, and accepted": sum(one["status"] == 202 for one in evidence.redeliveries),
        "refused": posts["refused"],
        "never sent (no connection)": posts["unsent"],
        "unknown (no answer)": posts["unknown"],
        "unknown, but delivered (allowed)": sum(queue_id not in accepted for queue_id in evidence.events),
        "of these refused while the API could not know": promises.delivered_though_refused(evidence),
        "cancelled": outcomes[access.CANCELLED],
        "expired": outcomes[EXPIRED],
        "ended as": dict(outcomes.most_common()),
        "upstream calls": len(evidence.calls),
        "paid calls": sum(call["full"] for call in evidence.calls),
        "paid more than once": len({charge.queue_id for charge in charges}),
        "duplicate charges by cause": dict(Counter(charge.cause or "UNEXPLAINED" for charge in charges).most_common()),
    }
