"""The journals of a run, read and grouped. Standard library only: the checker uses no code of the product."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.journal import CLIENT, FAULTS, KAFKA, RUN, UPSTREAM, read

Entry = dict[str, Any]


@dataclass
class Evidence:
    run: Entry
    posts: list[Entry]
    deletes: list[Entry]
    redeliveries: list[Entry]
    """Answers to requests for a result again, one for each queue id."""
    arrivals: list[Entry]
    """Events on the callback topics, in the order of their arrival."""
    calls: list[Entry]
    """Calls of the upstream, in the order of their arrival."""
    faults: list[Entry]
    signals: list[Entry]
    absences: list[Entry]
    """Times at which a worker was partitioned or frozen."""
    redis: list[Entry]
    """Times at which Redis was frozen, killed, full or read-only."""
    rejections: list[Entry]
    """Times at which a provider rejected its key."""
    one_fewer: list[Entry]
    """Times at which one of the API's processes was dead and the other one served."""
    exits: list[Entry]
    left: Entry | None
    books: Entry | None
    """The totals in Redis at the end: requests accepted, ended, unfinished, and the base of the books."""
    events: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    """Arrivals by queue id."""
    calls_of: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    """Calls by queue id."""

    @property
    def accepted(self) -> dict[str, list[Entry]]:
        """Answers by queue id: 202, 200, or a problem that has one."""
        found: dict[str, list[Entry]] = {}
        for post in self.posts:
            if post["queue_id"]:
                found.setdefault(post["queue_id"], []).append(post)
        return found

    @classmethod
    def load(cls, folder: Path) -> "Evidence":
        client, faults = list(read(folder / CLIENT)), list(read(folder / FAULTS))
        evidence = cls(
            run=json.loads((folder / RUN).read_text()),
            posts=[one for one in client if one["kind"] == "post"],
            deletes=[one for one in client if one["kind"] == "delete"],
            redeliveries=[one for one in client if one["kind"] == "redeliver"],
            arrivals=list(read(folder / KAFKA)),
            calls=sorted(read(folder / UPSTREAM), key=lambda call: call["received"]),
            faults=[one for one in faults if one["kind"] == "fault"],
            signals=[one for one in faults if one["kind"] == "signal"],
            absences=[one for one in faults if one["kind"] == "absence"],
            redis=[one for one in faults if one["kind"] == "redis"],
            rejections=[one for one in faults if one["kind"] == "rejected"],
            one_fewer=[one for one in faults if one["kind"] == "api process away"],
            exits=[one for one in faults if one["kind"] == "exit"],
            left=next((one for one in faults if one["kind"] == "left"), None),
            books=next((one for one in faults if one["kind"] == "books"), None),
        )
        for arrival in evidence.arrivals:
            evidence.events[arrival["event"]["data"]["request_id"]].append(arrival)
        for call in evidence.calls:
            evidence.calls_of[call["attempt"].rpartition(".")[0]].append(call)
        return evidence


def reason(event: Entry) -> str | None:
    """The precise error code of a result event; None: it is a verdict."""
    error = event["data"]["error_detail"]
    if error is None:
        return None
    precise = str(error["details"].get("reason"))
    return precise if precise.startswith("LLM_") else str(error["error_code"])
