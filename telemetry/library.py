"""The metrics of a process that counts with prometheus_client itself, as Flower does.

Its registry holds the metrics of the process (CPU, memory, open files, garbage collections) and of the program.
"""

import platform
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import REGISTRY, CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE

from telemetry.metric_table import PREFIX
from telemetry.metrics import ALIVE_SECONDS, ProcessState


class LibraryMetrics:
    content_type = CONTENT_TYPE

    def __init__(self, process: str, registry: CollectorRegistry = REGISTRY) -> None:
        """`process`: its name in /healthz, such as `flower-1`."""
        self._process = process
        self._registry = registry
        self._alive_at = time.monotonic()
        build = Gauge(
            PREFIX + "build_info", "Version of umpire and of Python; always 1", ["version", "python"], registry=registry
        )
        build.labels(_version(), platform.python_version()).set(1)

    def alive(self) -> None:
        """Record that the event loop runs. To be called on that loop."""
        self._alive_at = time.monotonic()

    def render(self) -> bytes:
        return generate_latest(self._registry)

    def processes(self) -> Iterator[ProcessState]:
        hangs = time.monotonic() - self._alive_at > ALIVE_SECONDS
        yield ProcessState(self._process, runs=True, hangs=hangs, ready=not hangs, series=[])


def _version() -> str:
    try:
        return version("umpire-service")
    except PackageNotFoundError:  # run from the source tree
        return "0"
