"""The judge of a run. It reads four ledgers and compares them: what was accepted (the client's answers), what arrived
(Kafka), what was paid (the upstream's journal), and what was done to the stack. Standard library only.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from chaos import access, promises
from chaos.bills import Bill, second_bills
from chaos.evidence import Evidence, reason

EXPIRED = "LLM_REQUEST_EXPIRED"


@dataclass
class Report:
    """`broken`: promise → what was found against it, one line each. Empty lists: it was kept."""

    counts: dict[str, Any]
    bills: list[Bill]
    broken: dict[str, list[str]]

    @property
    def ok(self) -> bool:
        return not any(self.broken.values())


def judge(evidence: Evidence) -> Report:
    bills = second_bills(evidence)
    broken = {
        "lost": promises.lost(evidence),
        "conflicting": promises.conflicting(evidence),
        "paid twice without a cause": promises.unexplained(bills),
        "paid, and told as an error without a cause": promises.paid_for_nothing(evidence),
        "told though refused, or never asked": promises.unasked(evidence),
        "one Idempotency-Key, two jobs": promises.two_jobs(evidence),
        "not what was asked (key, correlation id, metadata, topic)": promises.changed(evidence),
        "event id is not uuid5 of the queue id": promises.wrong_ids(evidence),
        "a verdict that no call of its own gave": promises.made_up(evidence),
        "the HTTP answer is unlike the event": promises.unlike(evidence),
        "cancelled and not told so, or told so and not cancelled": access.cancellations(evidence),
        "let in without a key, or to what is another's": access.let_in(evidence),
        "a good key refused": access.shut_out(evidence),
        "failed, though only the account was at fault": promises.failed_for_the_account(evidence),
        "more calls than probes while a key was rejected": promises.too_many_probes(evidence),
        "called after its end": promises.called_after_end(evidence),
        "no answer, though only one of two API processes was dead": promises.unanswered(evidence),
        "a part ended by itself, or badly": promises.badly_ended(evidence),
        "a good request rejected": access.rejected(evidence),
        "left in Redis at the end": promises.left_behind(evidence),
        "the books do not balance": promises.unbalanced(evidence),
    }
    return Report(_counts(evidence, bills, broken), bills, broken)


def _counts(evidence: Evidence, bills: list[Bill], broken: dict[str, list[str]]) -> dict[str, Any]:
    posts = Counter(post["outcome"] for post in evidence.posts)
    firsts = [arrivals[0]["event"] for arrivals in evidence.events.values()]
    outcomes = Counter(reason(event) or "verdict" for event in firsts)
    accepted = evidence.accepted
    return {
        "submissions": len(evidence.posts),
        "accepted": len(accepted),
        "arrived": sum(queue_id in evidence.events for queue_id in accepted),
        "lost": len(broken["lost"]),
        "conflicting": len(broken["conflicting"]),
        "duplicated (the same event again: allowed)": sum(len(found) - 1 for found in evidence.events.values()),
        "refused": posts["refused"],
        "never sent (nobody listened)": posts["unsent"],
        "unknown (no answer)": posts["unknown"],
        "unknown, and told all the same (allowed)": sum(queue_id not in accepted for queue_id in evidence.events),
        "of these refused by an API that could not know": promises.told_though_refused(evidence),
        "cancelled": outcomes[access.CANCELLED],
        "expired": outcomes[EXPIRED],
        "ended as": dict(outcomes.most_common()),
        "upstream calls": len(evidence.calls),
        "paid calls": sum(call["full"] for call in evidence.calls),
        "paid more than once": len({bill.queue_id for bill in bills}),
        "second bills by cause": dict(Counter(bill.cause or "UNEXPLAINED" for bill in bills).most_common()),
    }
