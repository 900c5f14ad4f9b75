"""The demo's output: progress bars and the latest verdicts on a terminal, plain lines elsewhere; a table at the end."""

from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from assessment.model.strengths.fit import BradleyTerryFit
from assessment.samples import INTENDED_ORDER
from cli.console import out
from cli.demo_batch import Batch
from cli.follow import Verdict

_LATEST = 6


class BatchView:
    def __init__(self, batch: Batch) -> None:
        self._total = len(batch.pairs)
        self._bars = Progress(
            TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=out
        )
        self._accepted = self._bars.add_task("accepted", total=self._total)
        self._judged = self._bars.add_task("verdicts", total=self._total)
        self._latest: deque[Text] = deque(maxlen=_LATEST)
        self._live = Live(self._frame(), console=out, refresh_per_second=12) if out.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def accepted(self, count: int) -> None:
        self._bars.update(self._accepted, completed=count)
        if self._live:
            self._live.update(self._frame())
        elif count == self._total:
            out.print(f"accepted {count} comparisons")

    def verdict(self, first: str, second: str, winner: str, event: Verdict) -> None:
        self._bars.advance(self._judged)
        loser = second if winner == first else first
        line = Text.assemble(
            (f"{winner:>8}", "bold green"), " beats ", f"{loser:8}", (f" confidence {event.data.confidence:g}", "dim")
        )
        if self._live:
            self._latest.append(line)
            self._live.update(self._frame())
        else:
            out.print(Text.assemble(f"{self._bars.tasks[self._judged].completed:>4.0f}/{self._total} ", line))

    def _frame(self) -> Group:
        return Group(self._bars, *self._latest)


def ranking_table(fit: BradleyTerryFit, batch: Batch) -> Table:
    table = Table(header_style="bold", title_justify="left", caption_justify="left")
    table.title = f"Ranking by {fit.comparisons} comparisons"
    for name, justify in (("", "right"), ("essay", "left"), ("strength", "right"), ("± s.e.", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    table.add_column("stated rank", justify="right")
    for place, item in enumerate(fit.ranking(), start=1):
        name = batch.names[item]
        stated = str(INTENDED_ORDER.index(name) + 1)
        table.add_row(str(place), name, f"{fit.strengths[item]:+.2f}", f"{fit.standard_errors[item]:.2f}", stated)
    table.caption = f"in logits · reliability {fit.reliability:.2f} · {_order_effect(fit)}"
    return table


def _order_effect(fit: BradleyTerryFit) -> str:
    if fit.order_effect is None or fit.order_effect_error is None:
        return "no order effect fitted"
    return f"favour of the essay shown first {fit.order_effect:+.2f} ± {fit.order_effect_error:.2f}"
