"""The observer of a process: its log and its metrics, set up once at its start."""

import asyncio
from collections.abc import Callable

from contracts.settings import TelemetrySettings
from telemetry.logging import LogObserver, configure_logging
from telemetry.metrics.metrics import Metrics
from telemetry.metrics.process_files import take_process_file
from telemetry.observer import Fanout, Note, Observer

#: Seconds between two calls of `Metrics.alive`.
_ALIVE_EVERY = 1.0


def start_telemetry(settings: TelemetrySettings, process: str) -> tuple[Observer, Metrics]:
    """`process`: its kind, such as `api`, `worker.mock`."""
    configure_logging(settings, process)
    log = LogObserver(settings)
    kind, directory = process.replace(".", "-"), settings.metrics_directory
    metrics = None
    if directory is not None:
        try:
            metrics = Metrics(process_file=take_process_file(directory, kind), directory=directory)
        except OSError as error:  # the process serves without shared metrics
            log(Note("metrics.alone", "warning", fields={"directory": str(directory), "reason": error.strerror}))
    metrics = metrics or Metrics(f"{kind}-1")
    return Fanout(metrics, log), metrics


async def keep_alive(metrics: Metrics, ready: Callable[[], bool] = lambda: True) -> None:
    """Record for ever that this event loop runs."""
    while True:
        metrics.alive(ready=ready())
        await asyncio.sleep(_ALIVE_EVERY)
