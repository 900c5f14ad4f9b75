"""The metrics port of `umpire flower`."""

import platform
import socket
import time
from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE
from tornado.ioloop import PeriodicCallback

from cli.options import service_version
from telemetry.metrics.endpoint import serve_on
from telemetry.metrics.metrics import ALIVE_SECONDS, ProcessState
from telemetry.metrics.table import PREFIX

#: How often Flower's event loop reports to the metrics port's /healthz that it is alive.
_ALIVE_MS = 1_000.0


class FlowerMetrics:
    """What Flower counts with prometheus_client itself, and the metrics of its process (CPU, memory, open files)."""

    content_type = CONTENT_TYPE

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry
        self._alive_at = time.monotonic()
        build = Gauge(
            PREFIX + "build_info", "Version of umpire and of Python; always 1", ["version", "python"], registry=registry
        )
        build.labels(service_version() or "0", platform.python_version()).set(1)

    def alive(self) -> None:
        """Record that the event loop runs. To be called on that loop."""
        self._alive_at = time.monotonic()

    def render(self) -> bytes:
        return generate_latest(self._registry)

    def processes(self) -> Iterator[ProcessState]:
        hangs = time.monotonic() - self._alive_at > ALIVE_SECONDS
        yield ProcessState("flower-1", runs=True, hangs=hangs, ready=not hangs, series=[])


def serve_metrics(listening: socket.socket) -> None:
    """Serve Flower's metrics of tasks, workers and process: the same as at its /metrics behind the password."""
    metrics = FlowerMetrics()
    PeriodicCallback(metrics.alive, _ALIVE_MS).start()
    serve_on(metrics, listening)
