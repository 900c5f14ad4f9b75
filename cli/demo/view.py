"""The demo's output: a line per verdict, with progress bars below them on a terminal; a table at the end."""

from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from assessment.fit import BradleyTerryFit
from assessment.samples import INTENDED_ORDER
from cli.console import out
from cli.demo.batch import Batch


class BatchView:
    def __init__(self, batch: Batch) -> None:
        self._total = len(batch.pairs)
        columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=out, disable=not out.is_terminal)
        self._accepted = self._bars.add_task("accepted", total=self._total)
        self._judged = self._bars.add_task("verdicts", total=self._total)
        self._verdicts = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def accepted(self, count: int) -> None:
        self._bars.update(self._accepted, completed=count)
        if count == self._total:
            out.print(f"accepted {count} comparisons")

    def verdict(self, winner: str, loser: str, confidence: float) -> None:
        self._verdicts += 1
        self._bars.advance(self._judged)
        names = (f"{winner:>8}", "bold green"), " beats ", f"{loser:8}"
        out.print(Text.assemble(f"{self._verdicts:>4}/{self._total} ", *names, (f" confidence {confidence:g}", "dim")))


def ranking_table(fit: BradleyTerryFit, batch: Batch) -> Table:
    table = Table(header_style="bold", title_justify="left", caption_justify="left")
    table.title = f"Ranking by {fit.comparisons} comparisons"
    table.add_column("", justify="right")
    table.add_column("essay")
    for name in ("strength", "± s.e.", "stated rank"):
        table.add_column(name, justify="right")
    for place, item in enumerate(fit.ranking(), start=1):
        name = batch.names[item]
        stated = str(INTENDED_ORDER.index(name) + 1)
        table.add_row(str(place), name, f"{fit.strengths[item]:+.2f}", f"{fit.standard_errors[item]:.2f}", stated)
    effect = "no order effect fitted"
    if fit.order_effect is not None and fit.order_effect_error is not None:
        effect = f"advantage of the essay shown first {fit.order_effect:+.2f} ± {fit.order_effect_error:.2f}"
    table.caption = f"in logits · reliability {fit.reliability:.2f} · {effect}"
    return table
