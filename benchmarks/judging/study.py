"""What a study returns: a table whose figures have their noise, and goals that are held against them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

#: Processes that simulate; set by `--jobs`.
JOBS = 1


@dataclass(frozen=True)
class Cell:
    value: float
    #: Standard error over the runs; None for a figure without one.
    noise: float | None = None
    digits: int = 3

    def __str__(self):
        text = f"{self.value:.{self.digits}f}"
        return text if self.noise is None else f"{text} ± {self.noise:.{self.digits}f}"


@dataclass(frozen=True)
class Judged:
    """A goal: `value` is to be at most (or at least) `limit`."""

    what: str
    value: float
    limit: float
    noise: float | None = None
    at_least: bool = False

    @property
    def met(self):
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self):
        sign = "≥" if self.at_least else "≤"
        noise = "" if self.noise is None else f" ± {self.noise:.3g}"
        return f"{'met   ' if self.met else 'MISSED'} {self.what}: {self.value:.4g}{noise} (goal {sign} {self.limit:g})"


@dataclass
class Table:
    title: str
    head: tuple[str, ...]
    rows: list[tuple] = field(default_factory=list)
    goals: list[Judged] = field(default_factory=list)
    #: Curves for the plot: label → (x, y).
    curves: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    axes: tuple[str, str] = ("", "")

    def add(self, *cells):
        self.rows.append(cells)

    def show(self):
        lines = [[str(cell) for cell in row] for row in (self.head, *self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        yield f"\n{self.title}"
        for line in lines:
            yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        yield from (f"  {goal}" for goal in self.goals)

    def as_dict(self):
        return {
            "title": self.title,
            "rows": [dict(zip(self.head, map(str, row), strict=True)) for row in self.rows],
            "goals": [
                {"what": g.what, "value": g.value, "noise": g.noise, "limit": g.limit, "met": bool(g.met)}
                for g in self.goals
            ],
        }


def each_class(function: Callable[..., Any], study: str, runs: int, *arguments: Any, **options: Any) -> list[Any]:
    """function(*arguments, seed, **options) for a seed of each run, on JOBS processes."""
    seeds = numbered(study, runs)
    call = partial(_call, function, arguments, options)
    if JOBS == 1:
        return [call(seed) for seed in seeds]
    with ProcessPoolExecutor(JOBS) as pool:
        return list(pool.map(call, seeds, chunksize=2))


def _call(function, arguments, options, seed):
    return function(*arguments, seed, **options)


def numbered(study: str, runs: int) -> Sequence[int]:
    """A seed for each run, different in each study."""
    base = sum(ord(letter) * 31**place for place, letter in enumerate(study)) % 100_000
    return range(base * 10_000, base * 10_000 + runs)
