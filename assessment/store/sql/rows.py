"""Rows of tables ↔ the dataclasses of assessment.workflow.state."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from enum import Enum
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Table

from assessment.store.sql import tables
from assessment.workflow.state import (
    AssessmentRow,
    ComparisonRow,
    ComparisonStatus,
    EssayRow,
    JudgeRow,
    RoundRow,
    TextStatus,
    WorkflowOptions,
    WorkflowStopReason,
)
from contracts.enums import CJAssessmentErrorCode, CJBatchStateEnum, LLMBatchingMode

R = TypeVar("R")


class RowMapping(Generic[R]):
    """A dataclass whose fields are columns of a table.

    Parameters
    ----------
    convert : mapping
        Field → what makes its value of the column's, where that is another type. Nulls stay None.
    """

    def __init__(self, cls: type[R], table: Table, convert: Mapping[str, Callable[[Any], Any]] = {}) -> None:
        self._cls = cls
        self.names = tuple(field.name for field in fields(cls))  # type: ignore[arg-type]
        self.table = table
        self.columns: tuple[ColumnElement[Any], ...] = tuple(table.c[name] for name in self.names)
        self._convert = [(self.names.index(name), function) for name, function in convert.items()]

    def read(self, row: Sequence[Any]) -> R:
        """From a row that begins with `columns`."""
        values = list(row[: len(self.names)])
        for place, function in self._convert:
            if values[place] is not None:
                values[place] = function(values[place])
        return self._cls(*values)

    def values(self, row: R) -> dict[str, Any]:
        """Column → value."""
        return {name: _plain(getattr(row, name)) for name in self.names}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, WorkflowOptions):
        return {name: _plain(part) for name, part in asdict(value).items()}
    return value


_OPTION_NAMES = frozenset(field.name for field in fields(WorkflowOptions))
_OPTION_TUPLES = ("grade_scale", "grade_distribution")


def _options(stored: dict[str, Any]) -> WorkflowOptions:
    """An option that was added later has its default; one of a newer version is ignored."""
    known = {name: value for name, value in stored.items() if name in _OPTION_NAMES}
    known |= {name: tuple(known[name]) for name in _OPTION_TUPLES if name in known}
    if "batching_mode" in known:
        known["batching_mode"] = LLMBatchingMode(known["batching_mode"])
    return WorkflowOptions(**known)


ASSESSMENT = RowMapping(
    AssessmentRow,
    tables.assessments,
    {
        "options": _options,
        "state": CJBatchStateEnum,
        "stop_reason": WorkflowStopReason,
        "error_code": CJAssessmentErrorCode,
        "strengths": tuple,
        "graded": tuple,
    },
)
JUDGE = RowMapping(JudgeRow, tables.judges)
ESSAY = RowMapping(EssayRow, tables.essays, {"text_status": TextStatus})
ROUND = RowMapping(RoundRow, tables.rounds)
COMPARISON = RowMapping(ComparisonRow, tables.comparisons, {"status": ComparisonStatus})
