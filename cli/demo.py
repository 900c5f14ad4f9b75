"""`umpire demo`: ranks the sample essays on a temporary stack."""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from assessment.model.strengths.fit import BradleyTerryFit
from assessment.samples import TOPIC
from cli.console import out, say
from cli.datadir import DataDirectory
from cli.demo_batch import Batch, judge_all
from cli.demo_view import BatchView, ranking_table
from cli.environment import read_settings
from cli.failure import Failure
from cli.ports import listen
from cli.stack import Stack
from cli.supervisor import run
from contracts.settings import Settings
from contracts.settings.base import PREFIX

#: All UMPIRE_ settings of the demo: those of the user's environment, keys above all, are removed. The latency makes
#: verdicts come at a pace that the eye can follow, and the bias gives the fit an order effect to find.
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
    out.print("The mock judge reads no essay. It draws each verdict by the strength that the demo states for each.\n")
    batch = Batch.of_samples()
    with tempfile.TemporaryDirectory(prefix="umpire-demo-") as folder, DataDirectory(Path(folder)) as directory:
        fit = asyncio.run(_on_a_stack(settings, directory, batch))
    if fit is None:
        raise Failure("interrupted")
    out.print(ranking_table(fit, batch), soft_wrap=False)
    for path in _plot(fit, batch, output):
        out.print(f"saved {path}", markup=False)
    return 0


async def _on_a_stack(settings: Settings, directory: DataDirectory, batch: Batch) -> BradleyTerryFit | None:
    flower, api = (listen("127.0.0.1", 0, setting="the demo") for _ in range(2))
    stack = Stack(settings, directory, api, flower, say)
    began = time.monotonic()
    fits: list[BradleyTerryFit] = []
    leaving = threading.Event()

    async def job() -> None:
        say(f"the stack is up after {time.monotonic() - began:.1f} s: Redis, Kafka, the API, a worker and Flower")
        fits.append(await _in_thread(lambda: _rank(settings, stack, batch, leaving), leaving))

    say("starting a stack of its own, on free ports and in a temporary directory")
    await run(stack, job, say)
    say("everything is stopped")
    return fits[0] if fits else None


async def _in_thread(work: Callable[[], BradleyTerryFit], leaving: threading.Event) -> BradleyTerryFit:
    try:
        return await asyncio.to_thread(work)
    finally:
        leaving.set()  # a cancelled to_thread leaves the thread running


def _rank(settings: Settings, stack: Stack, batch: Batch, leaving: threading.Event) -> BradleyTerryFit:
    kafka = settings.kafka.model_copy(update={"kafka_bootstrap": stack.kafka_bootstrap})
    with BatchView(batch) as view:
        verdicts = judge_all(batch, stack.api_url, kafka, view, leaving)
    return batch.fit(verdicts)


def _plot(fit: BradleyTerryFit, batch: Batch, output: Path) -> list[Path]:
    from assessment.plot import plot_ranking  # matplotlib costs half a second

    output.mkdir(parents=True, exist_ok=True)
    return plot_ranking(fit, batch.names, output / "ranking", title=TOPIC)
