"""A Hypothesis machine: an assessment between two processes, a comparison service, and everything that goes wrong.

The store has a row lock (a check of the revision). Two processes read, decide and write at any time; a process that is
killed forgets what it read or does not send what it wrote. The comparison service accepts each submission once, whoever
sends it, and its callbacks are delivered in any order, more than once, or not at all.
"""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from umpire_workflow import BEGIN, TTL, Conflict, Store, new_state
from umpire_workflow_checks import check_cost, check_counts, check_ends, check_pairs, check_verdicts

from assessment.workflow.apply import apply_decision
from assessment.workflow.commands import AskRedelivery, Complete, Fail, PlanRound
from assessment.workflow.decide import decide
from assessment.workflow.progress import count_comparisons, decision_is_due
from assessment.workflow.record import FailedAnswer, JudgedAnswer, failure_kind
from assessment.workflow.state import ENDED, ComparisonStatus, TextStatus
from contracts.enums import CJBatchStateEnum, LLMBatchingMode

ERROR_CODES = [
    "LLM_PROVIDER_API_ERROR",
    "LLM_PARSING_ERROR",
    "LLM_REQUEST_EXPIRED",
    "LLM_REQUEST_CANCELLED",
    "LLM_CONFIGURATION_ERROR",
    "LLM_CONTENT_TOO_LONG",
]
CODES = st.sampled_from(ERROR_CODES)
VERDICTS = st.builds(JudgedAnswer, st.booleans(), st.sampled_from([1.0, 3.0, 5.0]), st.just(0.001))
ERRORS = CODES.map(lambda code: FailedAnswer(failure_kind(code), code))
GRADES = ("C", "B", "A")


class AssessmentMachine(RuleBasedStateMachine):
    #: What a process has read and decided, and has not written yet.
    decided = Bundle("decided")

    def __init__(self):
        super().__init__()
        self.now = BEGIN
        #: Of the comparison service: answer by submission, and when it was accepted.
        self.accepted = {}
        self.answered = {}
        #: Callbacks on their way, a submission perhaps more than once.
        self.topic = []
        self.first_verdict = {}
        self.ends = []
        self.conflicts = 0

    @initialize(
        students=st.integers(2, 7),
        recovers=st.booleans(),
        anchors=st.integers(0, 3),
        missing=st.sets(st.integers(0, 9), max_size=2),
        per_essay=st.integers(1, 12),
        judges=st.integers(1, 2),
        mode=st.sampled_from([LLMBatchingMode.PER_REQUEST, LLMBatchingMode.PROVIDER_BATCH_API]),
        iterative=st.booleans(),
        cost=st.sampled_from([None, None, 0.005, 0.02]),
        batch=st.sampled_from([2, 10]),
    )
    def begin(self, students, recovers, anchors, missing, per_essay, judges, mode, iterative, cost, batch):
        self.recovers = recovers
        state = new_state(
            students,
            GRADES[:anchors],
            judges=judges,
            grade_scale=GRADES,
            max_comparisons_per_essay=per_essay,
            batching_mode=mode,
            iterative=iterative,
            max_cost_usd=cost,
            batch_size=batch,
            max_concurrent_batches=2,
            failed_pool_threshold=3,
            provider_batch_seconds=600.0,
            target_reliability=0.5,
        )
        essays = tuple(
            replace(one, text_status=TextStatus.FAILED) if one.index in missing else one for one in state.essays
        )
        self.store = Store(replace(state, essays=essays))

    @property
    def state(self):
        return self.store.state

    # Two processes.

    @rule(target=decided, kill=st.booleans())
    def read_and_decide(self, kill):
        state = self.state
        decision = decide(state, self.now)
        due = decision_is_due(state.assessment, state.rounds, count_comparisons(state.comparisons), self.now)
        assert due or not (decision.commands or decision.path)
        return multiple() if kill else (state, decision, self.now)

    @rule(one=consumes(decided))
    def write(self, one):
        state, decision, then = one
        try:
            self.store.write(apply_decision(state, decision, then), read=state)
        except Conflict:
            self.conflicts += 1
            return
        self._note(state, decision)

    def _note(self, state, decision):
        for command in decision.commands:
            if isinstance(command, PlanRound):
                assert command.round.number == len(state.rounds) or command.round.number == len(state.rounds) + 1
            if isinstance(command, AskRedelivery):
                self.topic += [pair for pair in self._submissions(command.numbers) if pair in self.answered]
            if isinstance(command, Complete | Fail):
                self.ends.append((self.state, command))

    def _submissions(self, numbers):
        return [(number, self.state.comparisons[number].submissions) for number in numbers]

    @rule(which=st.randoms(use_true_random=False), accepted_is_lost=st.booleans())
    def send_a_chunk(self, which, accepted_is_lost):
        """Any process sends any chunk that is not known to be accepted; the answer may be lost."""
        rows = [one for one in self.state.comparisons if one.status is ComparisonStatus.ASSIGNED]
        if not rows:
            return
        chunk = which.choice(sorted({one.chunk for one in rows}))
        pairs = [(one.number, one.submissions) for one in rows if one.chunk == chunk]
        self._accept(pairs)
        if not accepted_is_lost:
            self.store.accept(pairs, self.now)

    def _accept(self, pairs):
        for number, submission in pairs:
            if (number, submission) in self.accepted:
                continue
            for older in range(1, submission):
                known = (number, older) in self.answered
                assert known or self._expired(number, older), "submitted while an older submission may be judged"
            self.accepted[number, submission] = self.now

    def _expired(self, number, submission):
        begun = self.accepted.get((number, submission))
        return begun is None or self.now - begun >= TTL

    @rule(times=st.integers(1, 6))
    def all_goes_well(self, times):
        for _ in range(times):
            self.write((self.state, decide(self.state, self.now), self.now))
            self._serve()

    # The comparison service and its topic.

    @rule(which=st.randoms(use_true_random=False), answers=st.lists(VERDICTS | ERRORS, min_size=1, max_size=12))
    def judge(self, which, answers):
        for answer in answers:
            open_ones = [pair for pair in self.accepted if pair not in self.answered]
            if not open_ones:
                return
            pair = which.choice(open_ones)
            self.answered[pair] = answer
            self.topic.append(pair)

    @rule(which=st.randoms(use_true_random=False), count=st.integers(1, 10), again=st.booleans())
    def deliver(self, which, count, again):
        for _ in range(count):
            if not self.topic:
                return
            place = which.randrange(len(self.topic))
            self._deliver(self.topic[place])
            if not again:
                del self.topic[place]

    def _deliver(self, pair):
        number, submission = pair
        answer = self.answered[pair]
        if isinstance(answer, JudgedAnswer):
            self.first_verdict.setdefault(number, answer.first_won)
        self.store.record(number, submission, answer, self.now)

    @rule(which=st.randoms(use_true_random=False))
    def lose_a_callback(self, which):
        if self.topic:
            del self.topic[which.randrange(len(self.topic))]

    @rule(which=st.randoms(use_true_random=False), code=CODES)
    def refuse(self, which, code):
        rows = [one for one in self.state.comparisons if one.status is ComparisonStatus.ASSIGNED]
        rows = [one for one in rows if (one.number, one.submissions) not in self.accepted]
        if rows:
            one = which.choice(rows)
            self.answered[one.number, one.submissions] = FailedAnswer(failure_kind(code, refused=True), code)
            self.accepted[one.number, one.submissions] = self.now
            self.store.refuse(one.number, one.submissions, code, self.now)

    # Time, holds, people.

    @rule(seconds=st.sampled_from([1.0, 60.0, 120.0, 600.0, TTL + 600]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def hold(self):
        self.store.pause(self.now)

    @rule()
    def hold_ends(self):
        self.store.resume(self.now)

    @precondition(lambda self: self.state.assessment.state is CJBatchStateEnum.COMPLETED)
    @rule(more=st.integers(1, 6))
    def extend(self, more):
        per_essay = self.state.assessment.options.max_comparisons_per_essay + more
        self.store.extend(self.now, max_comparisons_per_essay=per_essay, target_reliability=0.9)

    @precondition(lambda self: self.state.assessment.version == 1 and len(self.state.rounds) > 1)
    @rule(really=st.integers(0, 9))
    def cancel(self, really):
        if not really:
            self.store.set(cancel_requested=True)

    # What always holds.

    @invariant()
    def check(self):
        if hasattr(self, "store"):
            check_verdicts(self.state, self.first_verdict, self._judged())
            check_pairs(self.state)
            check_cost(self.state)
            check_ends(self.state, self.ends)

    def _judged(self):
        """Verdicts that were delivered, redeliveries aside."""
        return sum(isinstance(self.answered[pair], JudgedAnswer) for pair in self.store.answers)

    def teardown(self):
        """Whatever happened, time alone ends it; or everything comes to life again, and that ends it."""
        if not hasattr(self, "store"):
            return
        self.store.resume(self.now)
        for _ in range(3000):
            if self.state.assessment.state in ENDED:
                break
            before, decision = self.state, decide(self.state, self.now)
            self.write((before, decision, self.now))
            if self.recovers:
                self._serve()
            if not decision.commands and not decision.path and self.state.comparisons is before.comparisons:
                assert decision.wake_at is not None
                assert decision.wake_at > self.now
                self.now = decision.wake_at
        assert self.state.assessment.state in ENDED
        self.check()
        check_counts(self.state)

    def _serve(self):
        """All that waits is sent, judged and delivered."""
        pairs = [
            (one.number, one.submissions) for one in self.state.comparisons if one.status is ComparisonStatus.ASSIGNED
        ]
        if pairs:
            self._accept(pairs)
            self.store.accept(pairs, self.now)
        for pair in [pair for pair in self.accepted if pair not in self.answered]:
            self.answered[pair] = JudgedAnswer(sum(pair) % 2 == 0, 3.0, 0.001)
            self._deliver(pair)
