"""`umpire demo`: ranks the sample essays on a temporary stack."""

import asyncio
import os
import tempfile
import threading
import time
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from assessment.model.strengths.fit import BradleyTerryFit
from assessment.samples import INTENDED_ORDER, TOPIC
from cli.console import out, say
from cli.demo.batch import Batch, judge_all
from cli.failure import Failure
from cli.options import read_settings
from cli.stack.data_directory import DataDirectory
from cli.stack.stack import Stack
from cli.supervise.ports import listen
from cli.supervise.supervisor import run
from contracts.settings import Settings
from contracts.settings.base import PREFIX

#: All UMPIRE_ settings of the demo: those of the user's environment are removed, so that no key is used. The latency
#: makes verdicts come slowly enough to read, and the bias gives the fit an order effect to find.
_ENVIRONMENT = {
    "UMPIRE_MOCK_ENABLED": "true",
    "UMPIRE_DEFAULT_PROVIDER": "mock",
    "UMPIRE_MOCK_MODE": "latent",
    "UMPIRE_MOCK_LATENCY_MS": "350",
    "UMPIRE_MOCK_JITTER_MS": "120",
    "UMPIRE_MOCK_POSITION_BIAS": "0.3",
    "UMPIRE_MOCK_CONCURRENCY": "12",
    "UMPIRE_MOCK_SEED": "7",
    # Short, since no request is unfinished after the last verdict.
    "UMPIRE_DRAIN_SECONDS": "5",
}


def demo(output: Path) -> int:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(_ENVIRONMENT)
    settings = read_settings()
    out.print(f"[bold]umpire demo[/bold]: which essay answers best? “{TOPIC}”")
    out.print(
        "The mock provider reads no essay: it draws each verdict by the strengths that the demo gives the essays.\n"
    )
    batch = Batch.of_samples()
    with tempfile.TemporaryDirectory(prefix="umpire-demo-") as folder, DataDirectory(Path(folder)) as directory:
        fit = asyncio.run(_run_on_stack(settings, directory, batch))
    if fit is None:
        raise Failure("interrupted")
    out.print(ranking_table(fit, batch), soft_wrap=False)
    from assessment.plot import plot_ranking  # matplotlib costs half a second

    output.mkdir(parents=True, exist_ok=True)
    for path in plot_ranking(fit, batch.names, output / "ranking", title=TOPIC):
        out.print(f"saved {path}", markup=False)
    return 0


async def _run_on_stack(settings: Settings, directory: DataDirectory, batch: Batch) -> BradleyTerryFit | None:
    """Start a stack, judge the batch, stop the stack. Returns None when interrupted."""
    flower, api = (listen("127.0.0.1", 0, setting="the demo") for _ in range(2))
    stack = Stack(settings, directory, api, flower, say)
    began = time.monotonic()
    fits: list[BradleyTerryFit] = []
    leaving = threading.Event()

    def rank() -> BradleyTerryFit:
        kafka = settings.kafka.model_copy(update={"kafka_bootstrap": stack.kafka_bootstrap})
        with BatchView(batch) as view:
            return batch.fit(judge_all(batch, stack.api_url, kafka, view, leaving))

    async def job() -> None:
        say(f"the stack is up after {time.monotonic() - began:.1f} s: Redis, Kafka, the API, a worker and Flower")
        try:
            fits.append(await asyncio.to_thread(rank))
        finally:
            leaving.set()  # a cancelled to_thread leaves the thread running

    say("starting a temporary stack on free ports")
    await run(stack, job, say)
    say("everything is stopped")
    return fits[0] if fits else None


class BatchView(Progress):
    """Two bars on a terminal, and a line for each verdict."""

    def __init__(self, batch: Batch) -> None:
        columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        super().__init__(*columns, console=out, disable=not out.is_terminal)
        self._total, self._verdicts = len(batch.pairs), 0
        self._accepted_bar = self.add_task("accepted", total=self._total)
        self._verdict_bar = self.add_task("verdicts", total=self._total)

    def accepted(self, count: int) -> None:
        self.update(self._accepted_bar, completed=count)
        if count == self._total:
            out.print(f"accepted {count} comparisons")

    def verdict(self, winner: str, loser: str, confidence: float) -> None:
        self._verdicts += 1
        self.advance(self._verdict_bar)
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
