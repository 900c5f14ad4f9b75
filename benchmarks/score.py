"""The lines of the goals with what was measured: how far, and whether each must is kept. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from benchmarks.goals import GOALS, Goal


class Verdict(StrEnum):
    GOAL = "pass, and goal"
    MUST = "pass"
    FAILED = "FAIL"
    UNKNOWN = "not measured"


@dataclass(frozen=True)
class Row:
    goal: Goal
    #: None: not measured.
    value: float | None
    #: Runs that its median is of; the fewest, where it comes from several cases.
    runs: int

    @property
    def ratio(self) -> float | None:
        """Value over must."""
        return self.value / self.goal.must if self.value is not None and self.goal.must else None

    @property
    def verdict(self) -> Verdict:
        if self.value is None:
            return Verdict.UNKNOWN
        if not self.goal.met(self.value, self.goal.must):
            return Verdict.FAILED
        further = self.goal.goal
        return Verdict.GOAL if further is not None and self.goal.met(self.value, further) else Verdict.MUST

    def as_dict(self) -> dict[str, Any]:
        goal = self.goal
        return {
            "line": goal.line,
            "what": goal.what,
            "better": goal.better,
            "must": goal.must,
            "goal": goal.goal,
            "value": self.value,
            "ratio": self.ratio,
            "unit": goal.unit,
            "runs": self.runs,
            "verdict": self.verdict.value,
        }


def score(
    medians: Mapping[str, Any], runs: Mapping[str, int], cases: Collection[str], goals: Sequence[Goal] = GOALS
) -> list[Row]:
    """A row for each goal with at least one of these cases. `runs`: number of results by case."""
    return [
        Row(goal, goal.read(medians), min((runs[name] for name in goal.cases if runs.get(name)), default=0))
        for goal in goals
        if goal.cases & set(cases)
    ]
