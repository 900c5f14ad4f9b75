"""The checker can fail: ledgers made by hand, each with one thing wrong that a run must not get away with."""

import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from chaos import ROOT
from chaos.check.evidence import Entry, Evidence
from chaos.check.promises import NAMESPACE
from chaos.check.recovery import recoveries
from chaos.check.report import Report, judge
from contracts.topics import result_event_id

LEASE, ATTEMPT = 8.0, 6.0


class Ledgers:
    """Of a run in which all went well: one request answered 202, one 200, one cancelled, one refused."""

    def __init__(self) -> None:
        self.client: list[Entry] = []
        self.kafka: list[Entry] = []
        self.upstream: list[Entry] = []
        self.faults: list[Entry] = []
        self.first, self.second, self.cancelled = str(uuid4()), str(uuid4()), str(uuid4())
        self.post(10.0, self.first)
        self.call(1, self.first, 10.5, 11.0)
        self.event(11.1, self.first, 1)
        self.post(12.0, self.second, status=200)
        self.call(2, self.second, 12.1, 12.5)
        self.event(12.6, self.second, 2)
        self.client[-1]["answer"] = self.answer_like(self.kafka[-1]["event"])
        self.post(13.0, self.cancelled)
        self.client.append({"kind": "delete", "at": 13.2, "sent": 13.1, "queue_id": self.cancelled, "status": 200})
        self.client[-1]["mine"] = True
        self.event(13.3, self.cancelled, None, "LLM_REQUEST_CANCELLED")
        self.post(14.0, None, status=503, outcome="refused")

    def post(self, at: float, queue_id: str | None, *, status: int | None = 202, outcome: str = "accepted") -> Entry:
        correlation_id = str(uuid4())
        request = {
            "correlation_id": correlation_id, "callback_topic": "verdicts", "metadata": {"n": 1, "deep": [None]},
            "llm_config_overrides": {"provider_override": "anthropic"},
        }  # fmt: skip
        entry = {
            "kind": "post", "number": 7, "caller": "one", "at": at, "sent": at, "outcome": outcome, "status": status,
            "queue_id": queue_id, "request": request, "answer": {"status": "queued", "queue_id": queue_id},
        }  # fmt: skip
        self.client.append(entry)
        return entry

    def call(self, number: int, queue_id: str, received: float, ended: float, **more: Any) -> Entry:
        entry = {
            "call": number, "attempt": f"{queue_id}.1", "worker": "anthropic-1.1", "received": received, "ended": ended,
            "fault": "ok", "full": True, "valid": True, "verdict": verdict(number), **more,
        }  # fmt: skip
        self.upstream.append(entry)
        return entry

    def event(self, at: float, queue_id: str, call: int | None, error: str | None = None) -> Entry:
        request = next(e["request"] for e in self.client if e.get("queue_id") == queue_id and e["kind"] == "post")
        said = verdict(call) if call else dict.fromkeys(verdict(0))
        event = {
            "event_id": str(uuid5(NAMESPACE, queue_id)), "correlation_id": request["correlation_id"],
            "data": {
                "request_id": queue_id, "correlation_id": request["correlation_id"], **said, "provider": "anthropic",
                "model": "m", "token_usage": {}, "request_metadata": {**request["metadata"], "attempts": 1},
                "error_detail": {"error_code": "LLM_INTERNAL_ERROR", "details": {"reason": error}} if error else None,
            },
        }  # fmt: skip
        entry = {
            "at": at, "topic": "verdicts", "partition": 0, "offset": 0, "key": request["correlation_id"], "event": event
        }  # fmt: skip
        self.kafka.append(entry)
        return entry

    def answer_like(self, event: Entry) -> Entry:
        data = event["data"]
        return {**data, "queue_id": data["request_id"], "metadata": data["request_metadata"]}

    def killed(self, at: float, part: str = "anthropic-1.1") -> None:
        self.faults.append({"kind": "signal", "at": at, "part": part, "signal": "SIGKILL"})
        self.faults.append({"kind": "exit", "at": at, "part": part, "code": -9, "signal": "SIGKILL"})

    def fault(self, name: str, began: float, ended: float) -> None:
        self.faults.append({"kind": "fault", "fault": name, "began": began, "ended": ended, "result": ""})

    def redis_away(self, how: str, began: float, ended: float) -> None:
        self.faults.append({"kind": "redis", "how": how, "began": began, "ended": ended})

    def write(self, folder: Path) -> Path:
        (folder / "run.json").write_text(
            json.dumps({"started": 0, "timing": {"lease": LEASE, "attempt": ATTEMPT, "hold_probe": 5.0}})
        )
        for name in ("client", "kafka", "upstream", "faults"):
            entries: list[Entry] = getattr(self, name)
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        return folder

    def judge(self, folder: Path) -> Report:
        return judge(Evidence.load(self.write(folder)))


def verdict(call: int) -> dict[str, Any]:
    return {"winner": "Essay A", "justification": f"by call {call}", "confidence": 3}


@pytest.fixture
def ledgers() -> Ledgers:
    return Ledgers()


def test_a_good_run_passes(ledgers: Ledgers, tmp_path: Path) -> None:
    report = ledgers.judge(tmp_path)
    assert report.ok, report.broken
    assert (report.counts["accepted"], report.counts["arrived"], report.counts["lost"]) == (3, 3, 0)
    assert report.duplicate_charges == []


def test_the_same_event_again_is_counted_and_allowed(ledgers: Ledgers, tmp_path: Path) -> None:
    ledgers.kafka.append({**deepcopy(ledgers.kafka[0]), "at": 15.0})
    report = ledgers.judge(tmp_path)
    assert report.ok
    assert report.counts["duplicated (the same event again: allowed)"] == 1


def asked_again(ledgers: Ledgers, queue_id: str, *, number: int | None, status: int | None = 202, **more: Any) -> None:
    ledgers.client.append(
        {"kind": "redeliver", "at": 30.0, "sent": 29.9, "queue_id": queue_id, "number": number, "status": status,
         "error": None, "mine": True, "idempotency_key": None, **more}
    )  # fmt: skip


def again(ledgers: Ledgers, number: int, digest: str = "same") -> None:
    """The first event of the ledgers is delivered once more."""
    ledgers.kafka[0] |= {"digest": "same", "redelivery": None}
    ledgers.kafka.append({**deepcopy(ledgers.kafka[0]), "at": 30.1, "digest": digest, "redelivery": number})


def test_a_redelivery_that_was_asked_for_is_in_order(ledgers: Ledgers, tmp_path: Path) -> None:
    asked_again(ledgers, ledgers.first, number=1)
    asked_again(ledgers, ledgers.first, number=None, status=503)
    asked_again(ledgers, ledgers.first, number=None, status=404, mine=False)
    again(ledgers, 1)
    report = ledgers.judge(tmp_path)
    assert report.ok, report.broken
    assert report.counts["asked for again, and accepted"] == 1


def _other_bytes(ledgers: Ledgers) -> None:
    asked_again(ledgers, ledgers.first, number=1)
    again(ledgers, 1, digest="other")


def _not_redelivered(ledgers: Ledgers) -> None:
    asked_again(ledgers, ledgers.first, number=1)
    asked_again(ledgers, ledgers.first, number=2)
    again(ledgers, 1)


def _unasked(ledgers: Ledgers) -> None:
    again(ledgers, 1)


def _refused(ledgers: Ledgers) -> None:
    asked_again(ledgers, ledgers.first, number=None, status=410)


def _to_another(ledgers: Ledgers) -> None:
    asked_again(ledgers, ledgers.first, number=1, mine=False)


@pytest.mark.parametrize(
    ("break_it", "promise"),
    [
        (_other_bytes, "two deliveries of a result with different bytes"),
        (_not_redelivered, "a redelivery was accepted, and never published"),
        (_unasked, "a redelivery that nobody asked for"),
        (_refused, "a wrong answer to a request for a redelivery"),
        (_to_another, "a wrong answer to a request for a redelivery"),
    ],
)
def test_what_is_wrong_with_a_redelivery_is_found(
    ledgers: Ledgers, tmp_path: Path, break_it: Callable[[Ledgers], None], promise: str
) -> None:
    break_it(ledgers)
    assert ledgers.judge(tmp_path).broken[promise]


def test_what_nobody_answered_may_be_told(ledgers: Ledgers, tmp_path: Path) -> None:
    """The API died after it had accepted; without an answer the client was promised nothing."""
    unknown = ledgers.post(20.0, str(uuid4()), status=None, outcome="unknown")
    ledgers.call(3, unknown["queue_id"], 20.1, 20.2)
    ledgers.event(20.3, unknown["queue_id"], 3)
    unknown["queue_id"] = None
    report = ledgers.judge(tmp_path)
    assert report.ok, report.broken
    assert report.counts["unknown, but delivered (allowed)"] == 1


@pytest.mark.parametrize(
    ("answered", "redis_went", "allowed"),
    [
        (20.5, None, False),
        (21.3, None, True),  # it stood still
        (20.5, 20.1, True),  # the answer went with Redis
        (20.5, 19.0, False),
        (20.5, 20.6, False),
    ],
)
def test_what_an_api_refused_that_could_not_know_is_counted(
    ledgers: Ledgers, tmp_path: Path, answered: float, redis_went: float | None, allowed: bool
) -> None:
    """docs/decisions/0008. Whatever else is refused must not be told."""
    _refused_and_told(ledgers)
    refused = next(entry for entry in ledgers.client if entry.get("sent") == 20.0)
    refused["at"] = answered
    if redis_went:
        ledgers.redis_away("killed", redis_went, 30.0)
    report = ledgers.judge(tmp_path)
    assert report.ok is allowed, report.broken
    assert report.counts["of these refused while the API could not know"] == int(allowed)


def _lost(ledgers: Ledgers) -> None:
    ledgers.post(20.0, str(uuid4()))


def _lost_though_answered_with_a_problem(ledgers: Ledgers) -> None:
    ledgers.post(20.0, str(uuid4()), status=503)["answer"] = {"error_code": "LLM_INTERNAL_ERROR"}


def _another_verdict(ledgers: Ledgers) -> None:
    ledgers.kafka.append(deepcopy(ledgers.kafka[0]))
    ledgers.kafka[-1]["event"]["data"]["winner"] = "Essay B"


def _another_event_id(ledgers: Ledgers) -> None:
    ledgers.kafka.append(deepcopy(ledgers.kafka[0]))
    ledgers.kafka[-1]["event"]["event_id"] = str(uuid4())


def _verdict_and_error(ledgers: Ledgers) -> None:
    ledgers.event(20.0, ledgers.first, None, "LLM_REQUEST_EXPIRED")


def _random_event_id(ledgers: Ledgers) -> None:
    ledgers.kafka[0]["event"]["event_id"] = str(uuid4())


def _refused_and_told(ledgers: Ledgers) -> None:
    refused = ledgers.post(20.0, str(uuid4()), status=503, outcome="refused")
    ledgers.call(3, refused["queue_id"], 20.1, 20.2)
    ledgers.event(20.3, refused["queue_id"], 3)
    refused["queue_id"] = None


def _failed_for_the_account(ledgers: Ledgers) -> None:
    failed = ledgers.post(20.0, str(uuid4()))
    ledgers.event(20.3, failed["queue_id"], None, "LLM_CONFIGURATION_ERROR")


def _probes(ledgers: Ledgers, moments: list[float]) -> None:
    held = ledgers.post(20.0, str(uuid4()))
    ledgers.faults.append({"kind": "rejected", "provider": "anthropic", "began": 20.0, "ended": 40.0})
    refused = {"provider": "anthropic", "fault": "rejected", "status": 401, "full": False, "valid": False}
    for number, moment in enumerate(moments, 50):
        ledgers.call(number, held["queue_id"], moment, moment + 0.1, **refused)
    ledgers.call(99, held["queue_id"], 41.5, 41.6, provider="anthropic")
    ledgers.event(41.7, held["queue_id"], 99)


def _a_call_each_second_of_a_hold(ledgers: Ledgers) -> None:
    _probes(ledgers, [20.0 + second for second in range(20)])


def _never_asked(ledgers: Ledgers) -> None:
    ledgers.kafka.append(deepcopy(ledgers.kafka[0]))
    event = ledgers.kafka[-1]["event"]
    event["correlation_id"], event["data"]["request_id"] = str(uuid4()), str(uuid4())


def _two_jobs_of_one_key(ledgers: Ledgers) -> None:
    other = ledgers.post(20.0, str(uuid4()))
    other["request"] = ledgers.client[0]["request"]
    ledgers.call(3, other["queue_id"], 20.1, 20.2)
    ledgers.event(20.3, other["queue_id"], 3)


def _metadata_changed(ledgers: Ledgers) -> None:
    ledgers.kafka[0]["event"]["data"]["request_metadata"]["deep"] = []


def _another_key(ledgers: Ledgers) -> None:
    ledgers.kafka[0]["key"] = str(uuid4())


def _verdict_of_another_call(ledgers: Ledgers) -> None:
    ledgers.kafka[0]["event"]["data"]["justification"] = "by call 2"


def _answer_unlike_its_event(ledgers: Ledgers) -> None:
    ledgers.client[1]["answer"]["winner"] = "Essay B"


def _cancelled_and_judged(ledgers: Ledgers) -> None:
    ledgers.client.append({"kind": "delete", "at": 9.0, "sent": 9.0, "queue_id": ledgers.first, "status": 200})
    ledgers.client[-1]["mine"] = True


def _told_as_cancelled_by_nobody(ledgers: Ledgers) -> None:
    ledgers.client = [entry for entry in ledgers.client if entry["kind"] != "delete"]


def _called_after_its_end(ledgers: Ledgers) -> None:
    ledgers.call(3, ledgers.cancelled, 20.0, 20.1, full=False)


def _crashed(ledgers: Ledgers) -> None:
    ledgers.faults.append({"kind": "exit", "at": 1.0, "part": "openai-1.1", "code": 1, "signal": None})


def _did_not_drain(ledgers: Ledgers) -> None:
    ledgers.faults.append({"kind": "exit", "at": 1.0, "part": "openai-1.1", "code": -9, "signal": "SIGTERM"})


def _stranger_let_in(ledgers: Ledgers) -> None:
    ledgers.client[0]["caller"] = "stranger"


def _cancelled_by_another(ledgers: Ledgers) -> None:
    ledgers.client.append({"kind": "delete", "at": 9.0, "queue_id": ledgers.first, "status": 409, "mine": False})


def _good_key_refused(ledgers: Ledgers) -> None:
    ledgers.post(20.0, None, status=401, outcome="refused")


def _rejected(ledgers: Ledgers) -> None:
    ledgers.post(20.0, None, status=422, outcome="rejected")


def _no_answer(ledgers: Ledgers, sent: float, at: float) -> None:
    """One of the API's processes is dead from 20 to 23."""
    ledgers.faults.append({"kind": "api process away", "began": 20.0, "ended": 23.0})
    lost = ledgers.post(at, None, status=None, outcome="unknown")
    lost["sent"] = sent


def _no_answer_of_the_other_process(ledgers: Ledgers) -> None:
    _no_answer(ledgers, 21.0, 22.0)


def _left_behind(ledgers: Ledgers) -> None:
    ledgers.faults.append({"kind": "left", "at": 1.0, "leases": 0, "outbox": 2})


def _books(ledgers: Ledgers, **changes: int) -> None:
    """Books that balance, but for the changes."""
    ended = len({entry["event"]["data"]["request_id"] for entry in ledgers.kafka})
    books = {"accepted": ended, "ended": ended, "unfinished": 0, "base": 0}
    for name, by in changes.items():
        books[name] += by
    ledgers.faults.append({"kind": "books", "at": 1.0, **books})


def _books_lose_one(ledgers: Ledgers) -> None:
    _books(ledgers, accepted=1)


def _books_begin_with_a_difference(ledgers: Ledgers) -> None:
    _books(ledgers, base=1)


def _ended_without_an_event(ledgers: Ledgers) -> None:
    _books(ledgers, accepted=1, ended=1)


@pytest.mark.parametrize(
    ("break_it", "promise"),
    [
        (_lost, "lost"),
        (_lost_though_answered_with_a_problem, "lost"),
        (_another_verdict, "conflicting"),
        (_another_event_id, "conflicting"),
        (_verdict_and_error, "conflicting"),
        (_random_event_id, "event id is not uuid5 of the queue id"),
        (_refused_and_told, "an event of a request that was refused or never sent"),
        (_never_asked, "an event of a request that was refused or never sent"),
        (_two_jobs_of_one_key, "one Idempotency-Key, two jobs"),
        (_metadata_changed, "changed on its way (key, correlation id, metadata, topic)"),
        (_another_key, "changed on its way (key, correlation id, metadata, topic)"),
        (_verdict_of_another_call, "a verdict that no call of this request gave"),
        (_answer_unlike_its_event, "HTTP answer and event differ"),
        (_cancelled_and_judged, "DELETE and event disagree about a cancellation"),
        (_told_as_cancelled_by_nobody, "DELETE and event disagree about a cancellation"),
        (_failed_for_the_account, "failed, though only the account was at fault"),
        (_a_call_each_second_of_a_hold, "more calls than probes while a key was rejected"),
        (_called_after_its_end, "called after the request had ended"),
        (_crashed, "a process ended without a signal, or with a wrong exit code"),
        (_did_not_drain, "a process ended without a signal, or with a wrong exit code"),
        (_stranger_let_in, "access without a key, or to another key's request"),
        (_cancelled_by_another, "access without a key, or to another key's request"),
        (_good_key_refused, "a valid key refused"),
        (_rejected, "a valid request rejected"),
        (_no_answer_of_the_other_process, "no answer, though only one of two API processes was dead"),
        (_left_behind, "left in Redis at the end"),
        (_books_lose_one, "the books do not balance"),
        (_books_begin_with_a_difference, "the books do not balance"),
        (_ended_without_an_event, "the books do not balance"),
    ],
)
def test_it_is_found(ledgers: Ledgers, tmp_path: Path, break_it: Callable[[Ledgers], None], promise: str) -> None:
    break_it(ledgers)
    report = ledgers.judge(tmp_path)
    assert not report.ok
    assert report.broken[promise]


def test_books_that_balance_are_in_order(ledgers: Ledgers, tmp_path: Path) -> None:
    _books(ledgers)
    report = ledgers.judge(tmp_path)
    assert report.ok, report.broken


@pytest.mark.parametrize(("sent", "at"), [(19.9, 20.0), (20.1, 20.1), (22.0, 24.5), (23.1, 23.2)])
def test_what_a_killed_api_process_had_in_hand_may_have_no_answer(
    ledgers: Ledgers, tmp_path: Path, sent: float, at: float
) -> None:
    """The second one was killed at 24."""
    _no_answer(ledgers, sent, at)
    ledgers.killed(24.0, "api.1 process 77")
    report = ledgers.judge(tmp_path)
    assert report.ok, report.broken


def test_what_was_in_flight_and_a_probe_now_and_then_are_allowed(ledgers: Ledgers, tmp_path: Path) -> None:
    _probes(ledgers, [20.0 + number / 100 for number in range(60)] + [25.0, 30.1, 35.2])
    report = ledgers.judge(tmp_path)
    assert report.ok, report.broken


def test_a_verdict_that_was_paid_and_told_as_an_error_is_found(ledgers: Ledgers, tmp_path: Path) -> None:
    post = ledgers.post(20.0, str(uuid4()))
    ledgers.call(3, post["queue_id"], 20.1, 20.2)
    ledgers.event(20.3, post["queue_id"], None, "LLM_PROVIDER_TIMEOUT")
    assert ledgers.judge(tmp_path).broken["paid for a verdict, but ended as an error without a cause"]


def _second_call(ledgers: Ledgers, **first: Any) -> None:
    """The first request's answer is its second call's; `first` says how the earlier call went."""
    ledgers.upstream[0].update(first)
    ledgers.call(3, ledgers.first, 30.0, 30.5, worker="anthropic-2.1")
    ledgers.kafka[0] = {**ledgers.event(31.0, ledgers.first, 3)}
    ledgers.kafka.pop()


def _unexplained(ledgers: Ledgers) -> None:
    _second_call(ledgers)


def _cut_off_before(ledgers: Ledgers) -> None:
    _second_call(ledgers)
    ledgers.faults.append({"kind": "absence", "part": "anthropic-1.1", "how": "cut off", "began": 5.0, "ended": 10.0})


def _another_worker_was_killed(ledgers: Ledgers) -> None:
    _second_call(ledgers)
    ledgers.killed(10.8, "openai-1.1")


def _a_later_start_of_it_was_killed(ledgers: Ledgers) -> None:
    _second_call(ledgers)
    ledgers.killed(10.8, "anthropic-1.2")


def _killed_long_after_the_answer(ledgers: Ledgers) -> None:
    _second_call(ledgers)
    ledgers.killed(20.0)


def _killed_after_the_second_call(ledgers: Ledgers) -> None:
    _second_call(ledgers)
    ledgers.killed(30.2)


def _only_asked_to_stop(ledgers: Ledgers) -> None:
    _second_call(ledgers)
    ledgers.faults.append({"kind": "signal", "at": 10.8, "part": "anthropic-1.1", "signal": "SIGTERM"})


def _redis_frozen_only(ledgers: Ledgers) -> None:
    """A freeze, however long, is no reason to pay again."""
    _second_call(ledgers)
    ledgers.redis_away("frozen", 10.6, 26.0)


def _slow_and_in_time(ledgers: Ledgers) -> None:
    _second_call(ledgers, received=10.5, ended=10.5 + ATTEMPT * 0.9)


@pytest.mark.parametrize(
    "happened",
    [
        _unexplained,
        _cut_off_before,
        _another_worker_was_killed,
        _a_later_start_of_it_was_killed,
        _killed_long_after_the_answer,
        _killed_after_the_second_call,
        _only_asked_to_stop,
        _redis_frozen_only,
        _slow_and_in_time,
    ],
)
def test_a_second_bill_without_a_cause_fails(
    ledgers: Ledgers, tmp_path: Path, happened: Callable[[Ledgers], None]
) -> None:
    happened(ledgers)
    report = ledgers.judge(tmp_path)
    assert [bill.cause for bill in report.duplicate_charges] == [None]
    assert {promise for promise, found in report.broken.items() if found} == {"paid twice without a cause"}


def _killed_in_flight(ledgers: Ledgers) -> None:
    _second_call(ledgers)
    ledgers.killed(10.8)


def _killed_before_the_upstream_read_it(ledgers: Ledgers) -> None:
    _second_call(ledgers)
    ledgers.killed(10.47)


def _killed_with_the_answer_in_hand(ledgers: Ledgers) -> None:
    _second_call(ledgers)
    ledgers.killed(11.3)


def _killed_while_redis_did_not_take_it(ledgers: Ledgers) -> None:
    _second_call(ledgers)
    ledgers.redis_away("frozen", 10.6, 26.0)
    ledgers.killed(20.0)


def _invalid(ledgers: Ledgers) -> None:
    _second_call(ledgers, valid=False, fault="malformed")


def _cut_off(ledgers: Ledgers) -> None:
    _second_call(ledgers)
    ledgers.faults.append({"kind": "absence", "part": "anthropic-1.1", "how": "cut off", "began": 10.7, "ended": 12.0})


def _too_late(ledgers: Ledgers) -> None:
    _second_call(ledgers, ended=10.5 + ATTEMPT + 1)


@pytest.mark.parametrize(
    ("happened", "cause"),
    [
        (_killed_in_flight, "its worker was killed"),
        (_killed_before_the_upstream_read_it, "its worker was killed"),
        (_killed_with_the_answer_in_hand, "its worker was killed"),
        (_killed_while_redis_did_not_take_it, "its worker was killed"),
        (_invalid, "its answer was invalid (malformed)"),
        (_cut_off, "it was cut off from its worker"),
        (_too_late, "its answer was later than the deadline"),
    ],
)
def test_a_second_bill_with_a_cause_is_listed(
    ledgers: Ledgers, tmp_path: Path, happened: Callable[[Ledgers], None], cause: str
) -> None:
    happened(ledgers)
    report = ledgers.judge(tmp_path)
    assert report.ok, report.broken
    assert [bill.cause for bill in report.duplicate_charges] == [cause]


def test_what_was_cut_off_was_not_paid(ledgers: Ledgers, tmp_path: Path) -> None:
    _second_call(ledgers, full=False, valid=False, fault="cut")
    report = ledgers.judge(tmp_path)
    assert report.ok
    assert report.duplicate_charges == []


def test_time_to_recover(ledgers: Ledgers, tmp_path: Path) -> None:
    """Answers are back when they come again; the backlog is gone when all that was accepted before is answered."""
    ledgers.fault("redis killed", 9.0, 10.2)
    (recovery,) = recoveries(Evidence.load(ledgers.write(tmp_path)))
    assert recovery.lasted == pytest.approx(1.2)
    assert recovery.answers == pytest.approx(0.0)
    assert recovery.backlog == pytest.approx(0.9)
    ledgers.kafka.pop(0)
    (recovery,) = recoveries(Evidence.load(ledgers.write(tmp_path)))
    assert recovery.backlog is None


def test_the_command_tells_by_its_exit_code(ledgers: Ledgers, tmp_path: Path) -> None:
    def code() -> int:
        ledgers.write(tmp_path)
        command = [sys.executable, "-m", "chaos", "check", str(tmp_path)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode

    assert code() == 0
    _lost(ledgers)
    assert code() == 1


def test_it_imports_nothing_of_what_it_judges() -> None:
    """The checker may not share a fault with the rooms."""
    script = "import chaos.check.report, chaos.check.recovery, chaos.check.show, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    rooms = {
        "cli",
        "service",
        "tasks",
        "assessment",
        "providers",
        "guard",
        "access",
        "web",
        "events",
        "ledger",
        "telemetry",
    }
    foreign = {"pydantic", "redis", "confluent_kafka", "httpx2"}
    assert {name.partition(".")[0] for name in done.stdout.split()}.isdisjoint({"contracts"} | rooms | foreign)


def test_the_rule_of_event_ids_is_the_services() -> None:
    queue_id = uuid4()
    assert result_event_id(queue_id) == uuid5(NAMESPACE, str(queue_id)) != UUID(int=0)
