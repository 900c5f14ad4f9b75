"""An assessment in memory: rows, a store with a row lock, and a comparison service whose judges are simulated."""

import random
from dataclasses import replace
from uuid import UUID

from assessment.workflow.apply import apply_decision
from assessment.workflow.commands import AskRedelivery, Complete, Fail, Submit
from assessment.workflow.decide import decide
from assessment.workflow.progress import count_comparisons, decision_is_due
from assessment.workflow.record import (
    FailedAnswer,
    JudgedAnswer,
    accepted,
    arrived,
    extended,
    failed,
    failure_kind,
    judged,
    paused,
    refused,
    resumed,
)
from assessment.workflow.state import (
    ENDED,
    IN_FLIGHT,
    AssessmentRow,
    ComparisonStatus,
    EssayRow,
    JudgeRow,
    TextStatus,
    WorkflowOptions,
    WorkflowState,
)

BEGIN = 1_000_000.0
TTL = 3600.0
ID = UUID(int=18)


def new_state(students=12, anchors=(), *, judges=1, ready=True, words=None, price=0.001, **options):
    """An assessment whose texts are there (or are to come): students s0 …, and an anchor for each of the grades."""
    options.setdefault("seed", 7)
    status = TextStatus.READY if ready else TextStatus.PENDING
    grades = [None] * students + list(anchors)
    return WorkflowState(
        assessment=AssessmentRow(ID, "batch", WorkflowOptions(**options), BEGIN, progress_clock=BEGIN),
        judges=tuple(JudgeRow(j, "mock", f"model-{j}", estimated_cost_usd=price) for j in range(judges)),
        essays=tuple(
            EssayRow(i, f"s{i}" if grade is None else f"ANCHOR_{i}", status, known_grade=grade, words=words)
            for i, grade in enumerate(grades)
        ),
    )


class Conflict(Exception):
    """Another transaction changed the assessment since it was read."""


class Store:
    """Keeps one assessment. `write` succeeds only on the revision that was read, as under a row lock."""

    def __init__(self, state):
        self.state = state
        self.answers = set()
        self.outbox = []

    def write(self, state, *, read):
        if self.state.assessment.revision != read.assessment.revision:
            raise Conflict
        self.state = state

    def record(self, number, submission, answer, now):
        """One callback, in one transaction. A redelivered one changes nothing."""
        if (number, submission) in self.answers:
            return
        self.answers.add((number, submission))
        row = self.state.comparisons[number]
        if isinstance(answer, JudgedAnswer):
            row = judged(row, answer)
        else:
            row = failed(row, submission, answer, self.state.assessment.options)
        self._put([row], now)

    def refuse(self, number, submission, code, now):
        """A submission that the comparison service did not accept."""
        self._put([refused(self.state.comparisons[number], submission, code, self.state.assessment.options)], now)

    def accept(self, pairs, now, ttl=TTL):
        clock = self.state.assessment.clock(now)
        self._put([accepted(self.state.comparisons[number], sub, clock, ttl) for number, sub in pairs], now)

    def _put(self, rows, now):
        comparisons = list(self.state.comparisons)
        for row in rows:
            comparisons[row.number] = row
        self.state = replace(self.state, comparisons=tuple(comparisons), assessment=arrived(self.state.assessment, now))

    def set(self, **fields):
        assessment = self.state.assessment
        changed = replace(assessment, revision=assessment.revision + 1, **fields)
        self.state = replace(self.state, assessment=changed)

    def extend(self, now, **options):
        assessment = self.state.assessment
        changed = extended(assessment, replace(assessment.options, **options), now)
        self.state = replace(self.state, assessment=changed)

    def pause(self, now):
        self.state = replace(self.state, assessment=paused(self.state.assessment, now, "a provider on hold"))

    def resume(self, now):
        self.state = replace(self.state, assessment=resumed(self.state.assessment, now))


class Run:
    """One process beside its comparison service. Time moves only by `advance` and `run`."""

    def __init__(self, state, *, strengths=None, order_effect=0.0, seed=1):
        self.store = Store(state)
        self.now = BEGIN
        self.rng = random.Random(seed)
        n = len(state.essays)
        self.strengths = list(strengths) if strengths is not None else [2.0 * (i / n - 0.5) * 3 for i in range(n)]
        self.order_effect = order_effect
        #: Submissions that the comparison service has accepted and not answered: (number, submission).
        self.queue = []
        #: Every pair (number, submission) that was sent, in order.
        self.sent = []
        self.decisions = []
        self.asked = []

    @property
    def state(self):
        return self.store.state

    @property
    def row(self):
        return self.store.state.assessment

    @property
    def wake_at(self):
        return self.row.wake_at

    @property
    def ended(self):
        return self.row.state in ENDED

    def of(self, kind):
        return [one for decision in self.decisions for one in decision.commands if isinstance(one, kind)]

    @property
    def result(self):
        return self.of(Complete)[-1].outcome

    @property
    def failure(self):
        return self.of(Fail)[-1]

    def numbers(self, *statuses):
        return [one.number for one in self.state.comparisons if one.status in statuses]

    def step(self):
        """Decide once, and send what is to be sent."""
        due = decision_is_due(self.row, self.state.rounds, count_comparisons(self.state.comparisons), self.now)
        decision = decide(self.state, self.now)
        assert due or not (decision.commands or decision.path), "decision_is_due missed a decision"
        before = self.state
        self.store.write(apply_decision(before, decision, self.now), read=before)
        if decision.commands or decision.path:
            self.decisions.append(decision)
        for command in decision.commands:
            if isinstance(command, Submit):
                self.send(command)
            if isinstance(command, AskRedelivery):
                self.asked.append((self.now, command.numbers))
        return decision

    def send(self, command):
        pairs = [(number, self.state.comparisons[number].submissions) for number in command.numbers]
        self.sent += pairs
        self.queue += pairs
        self.store.accept(pairs, self.now)

    def verdict(self, number, **fields):
        """What the judge answers to a comparison."""
        one = self.state.comparisons[number]
        margin = self.strengths[one.first] - self.strengths[one.second] + self.order_effect
        margin += _logistic(self.rng)
        return JudgedAnswer(margin > 0, **{"confidence": 3.0, "cost_usd": 0.001, **fields})

    def answer(self, count=None, fail=lambda number, submission: None):
        """Answer waiting comparisons, the oldest first; `fail` may name an error code, or "lost" for no answer."""
        taken, self.queue = self.queue[:count], self.queue[len(self.queue[:count]) :]
        for number, submission in taken:
            code = fail(number, submission)
            if code == "lost":
                continue
            answer = self.verdict(number) if code is None else FailedAnswer(failure_kind(code), code)
            self.store.record(number, submission, answer, self.now)

    def advance(self, seconds):
        self.now += seconds

    def run(self, *, each=None, fail=lambda number, submission: None, until=None, most=2000):
        """Decide and answer until the end: `each` comparisons a second, or all at once."""
        for _ in range(most):
            self.step()
            if self.ended or (until is not None and until(self)):
                return self
            if self.queue:
                self.advance(1.0)
                self.answer(each, fail)
            elif self.wake_at is not None:
                self.now = max(self.wake_at, self.now + 1e-6)
            else:
                raise AssertionError("nothing is to come, and the assessment has not ended")
        raise AssertionError(f"not ended after {most} steps")


def open_comparisons(state):
    return [one for one in state.comparisons if one.status in {*IN_FLIGHT, ComparisonStatus.PLANNED}]


def counts_of(state, *, status=ComparisonStatus.SUCCEEDED):
    """Comparisons of each essay."""
    counts = [0] * len(state.essays)
    for one in state.comparisons:
        if one.status is status:
            counts[one.first] += 1
            counts[one.second] += 1
    return counts


def _logistic(rng):
    from math import log

    share = min(max(rng.random(), 1e-12), 1 - 1e-12)
    return log(share / (1 - share))
