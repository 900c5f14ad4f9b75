"""The observer of a process: its log and its metrics, set up once at its start."""

from contracts.settings import TelemetrySettings
from telemetry.logging import LogObserver, configure_logging
from telemetry.metrics import Metrics
from telemetry.observer import Fanout, Observer


def start_telemetry(settings: TelemetrySettings, process: str) -> tuple[Observer, Metrics]:
    configure_logging(settings, process)
    metrics = Metrics()
    return Fanout(metrics, LogObserver(settings)), metrics
