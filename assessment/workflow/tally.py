"""Where the comparisons of an assessment are: one pass over all of them for each decision."""

from dataclasses import dataclass, field

from assessment.workflow.record import given_up
from assessment.workflow.state import (
    ComparisonRow,
    ComparisonStatus,
    EssayRow,
    TextStatus,
    WorkflowOptions,
    WorkflowState,
)

#: After the time to live of a comparison: its last callback may be on its way.
GRACE_SECONDS = 600.0
#: An essay without a verdict is broken after this many of its comparisons have failed for good: it is left alone.
BROKEN_FAILURES = 3
#: A judge is broken after this many comparisons in a row have failed for good: it gets no more.
FAILURES_IN_A_ROW = 10


@dataclass(slots=True)
class RoundTally:
    """Of one round: comparisons by status."""

    total: int = 0
    planned: int = 0
    in_flight: int = 0
    pooled: int = 0
    succeeded: int = 0
    failed: int = 0

    @property
    def ended(self) -> bool:
        return self.succeeded + self.failed == self.total


@dataclass(slots=True)
class JudgeTally:
    """Of one judge."""

    #: Verdicts received, and their cost in USD.
    verdicts: int = 0
    cost: float = 0.0
    #: Comparisons without an end, and those of them that are in flight.
    unfinished: int = 0
    in_flight: int = 0
    #: Comparisons that failed for good since the last verdict, in the order of their numbers.
    failures_in_a_row: int = 0


@dataclass(slots=True)
class Tally:
    """Of all comparisons, as they are after the lost ones have been given up.

    Attributes
    ----------
    rounds, judges : lists of RoundTally and of JudgeTally
        By number and by index.
    planned, pooled : list of ComparisonRow
        Those that wait for their first submission, and those in the failed pool.
    lost : list of int
        Numbers of those that are to be given up now.
    failing : set of int
        Those of `lost` that fail for good.
    unanswered : list of (float, int)
        Of those that are submitted: clock of the submission or of the last request for redelivery, and number.
    in_flight : int
        Assigned or submitted.
    verdicts, failures : list of int
        Of each essay, by index: comparisons that count, and those that failed for good since it was extended last.
    spent, reserved, at_stake : float
        USD: of all answers; the estimate for all that may still be paid for (planned, pooled, in flight); the estimate
        for those in flight alone.
    next_loss : float or None
        Clock at which the next one is to be given up.
    last_expiry : float or None
        Largest clock at which an unfinished one expires, or has expired.
    succeeded, judged : int
        Comparisons that count, and verdicts received for them: those that are billed.
    costs : list of float
        Estimated cost of a comparison of each judge in USD: the given one or the mean so far, whichever is larger.
    """

    rounds: list[RoundTally]
    judges: list[JudgeTally]
    verdicts: list[int]
    failures: list[int]
    extended_chunk: int = 0
    planned: list[ComparisonRow] = field(default_factory=list)
    pooled: list[ComparisonRow] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    failing: set[int] = field(default_factory=set)
    unanswered: list[tuple[float, int]] = field(default_factory=list)
    in_flight: int = 0
    succeeded: int = 0
    judged: int = 0
    spent: float = 0.0
    reserved: float = 0.0
    at_stake: float = 0.0
    next_loss: float | None = None
    last_expiry: float | None = None
    costs: list[float] = field(default_factory=list)

    def add_success(self, one: ComparisonRow) -> None:
        self.rounds[one.round].succeeded += 1
        self.verdicts[one.first] += 1
        self.verdicts[one.second] += 1
        judge = self.judges[one.judge]
        judge.verdicts += one.verdicts
        judge.cost += one.cost_usd
        judge.failures_in_a_row = 0

    def add_failure(self, one: ComparisonRow) -> None:
        self.rounds[one.round].failed += 1
        if (one.chunk or 0) >= self.extended_chunk:
            self.judges[one.judge].failures_in_a_row += 1
            self.failures[one.first] += 1
            self.failures[one.second] += 1

    def add_unfinished(self, one: ComparisonRow, clock: float, options: WorkflowOptions) -> None:
        status = self._status_now(one, clock, options)
        if status is ComparisonStatus.FAILED:
            self.failing.add(one.number)
            self.add_failure(one)
            return
        place, judge = self.rounds[one.round], self.judges[one.judge]
        judge.unfinished += 1
        if one.expires_clock is not None:
            self.last_expiry = max(one.expires_clock, self.last_expiry or one.expires_clock)
        if status is ComparisonStatus.PLANNED:
            place.planned += 1
            self.planned.append(one)
        elif status is ComparisonStatus.POOLED:
            place.pooled += 1
            self.pooled.append(one)
        else:
            place.in_flight += 1
            judge.in_flight += 1
            if one.submitted_clock is not None:
                since = one.submitted_clock if one.asked_clock is None else one.asked_clock
                self.unanswered.append((since, one.number))

    def _status_now(self, one: ComparisonRow, clock: float, options: WorkflowOptions) -> ComparisonStatus:
        """A lost comparison has the status that it gets by this decision."""
        if one.status is not ComparisonStatus.SUBMITTED or one.expires_clock is None:
            return one.status
        loss = one.expires_clock + GRACE_SECONDS
        if clock < loss:
            self.next_loss = loss if self.next_loss is None else min(self.next_loss, loss)
            return one.status
        self.lost.append(one.number)
        return given_up(one, options).status

    def add_round(self, comparisons: tuple[ComparisonRow, ...]) -> None:
        """Count a round that has just been planned."""
        self.rounds.append(RoundTally(total=len(comparisons), planned=len(comparisons)))
        self.planned += comparisons

    def is_broken(self, essay: int) -> bool:
        return not self.verdicts[essay] and self.failures[essay] >= BROKEN_FAILURES

    def working_judges(self) -> list[int]:
        """Indexes of the judges that get comparisons."""
        return [index for index, one in enumerate(self.judges) if one.failures_in_a_row < FAILURES_IN_A_ROW]

    def playing(self, essays: tuple[EssayRow, ...]) -> list[int]:
        """Indexes of the essays that are compared."""
        return [one.index for one in essays if one.text_status is TextStatus.READY and not self.is_broken(one.index)]


def take_tally(state: WorkflowState, clock: float) -> Tally:
    """Count the comparisons of a state at a clock time."""
    judges = state.judges
    tally = Tally(
        rounds=[RoundTally() for _ in state.rounds],
        verdicts=[0] * len(state.essays),
        failures=[0] * len(state.essays),
        judges=[JudgeTally() for _ in judges],
        extended_chunk=state.assessment.extended_chunk,
    )
    options = state.assessment.options
    for one in state.comparisons:
        tally.rounds[one.round].total += 1
        tally.spent += one.cost_usd
        if one.status is ComparisonStatus.SUCCEEDED:
            tally.add_success(one)
        elif one.status is ComparisonStatus.FAILED:
            tally.add_failure(one)
        else:
            tally.add_unfinished(one, clock, options)
    tally.in_flight = sum(place.in_flight for place in tally.rounds)
    tally.succeeded = sum(place.succeeded for place in tally.rounds)
    for judge, place in zip(judges, tally.judges, strict=True):
        mean = place.cost / place.verdicts if place.verdicts else 0.0
        tally.costs.append(max(judge.estimated_cost_usd or 0.0, mean))
        tally.judged += place.verdicts
        tally.reserved += tally.costs[-1] * place.unfinished
        tally.at_stake += tally.costs[-1] * place.in_flight
    return tally
