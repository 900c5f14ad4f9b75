"""The observer of a process: its log and its metrics, set up once at its start."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from contracts.settings import TelemetrySettings
from telemetry.logging import LogObserver, configure_logging
from telemetry.metrics import Metrics
from telemetry.observer import Fanout, Note, Observer
from telemetry.process_files import take_process_file

#: Seconds between two calls of `Metrics.alive`.
_ALIVE_EVERY = 1.0


def start_telemetry(settings: TelemetrySettings, process: str) -> tuple[Observer, Metrics]:
    """`process`: its kind, such as `api`, `worker.mock`."""
    configure_logging(settings, process)
    log = LogObserver(settings)
    metrics = _metrics(settings.metrics_directory, process.replace(".", "-"), log)
    return Fanout(metrics, log), metrics


def _metrics(directory: Path | None, kind: str, log: Observer) -> Metrics:
    if directory is not None:
        try:
            return Metrics(process_file=take_process_file(directory, kind), directory=directory)
        except OSError as error:  # the process serves without shared metrics
            log(Note("metrics.alone", "warning", fields={"directory": str(directory), "reason": error.strerror}))
    return Metrics(f"{kind}-1")


async def keep_alive(metrics: Metrics, ready: Callable[[], bool] = lambda: True) -> None:
    """Record for ever that this event loop runs."""
    while True:
        metrics.alive(ready=ready())
        await asyncio.sleep(_ALIVE_EVERY)
