"""What one scrape of the metrics of many processes takes of a processor."""

import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from telemetry.metric_table import TABLE
from telemetry.metrics import Metrics
from telemetry.observer import Note
from telemetry.process_files import take_process_file

PROCESSES, SCRAPES = 20, 25

#: Values of each label; one that is not here has a single value. Together about 1,000 lines a process.
_VALUES = {
    "provider": ("anthropic", "openai", "google", "openrouter"),
    "route": ("/api/v1/comparison", "/healthz", "/metrics"),
    "status": ("200", "202", "503", "completed"),
    "outcome": ("ok", "timeout", "rate_limited"),
    "error_code": ("LLM_PROVIDER_TIMEOUT", "LLM_RATE_LIMITED", "LLM_INTERNAL_ERROR"),
    "kind": ("input", "output"),
    "reason": ("gate", "stop"),
    "state": ("open", "closed"),
}


def scrape() -> dict[str, Any]:
    """The processes' files are of this process: who wrote them makes no difference to who reads them."""
    with tempfile.TemporaryDirectory(prefix="umpire-scrape-") as folder:
        directory = Path(folder)
        counting = [
            Metrics(process_file=take_process_file(directory, "worker-mock"), directory=directory)
            for _ in range(PROCESSES)
        ]
        reader = Metrics(directory=directory)
        first = _timed(reader, counting)
        took = [_timed(reader, counting) for _ in range(SCRAPES)]
        text = reader.render()
    return {
        "processes": PROCESSES,
        "lines": text.count(b"\n"),
        "first_cpu_ms": first,
        "cpu_ms": median(took),
        "worst_cpu_ms": max(took),
    }


def _timed(reader: Metrics, counting: list[Metrics]) -> float:
    """Milliseconds of CPU, after every series of every process has changed."""
    for metrics in counting:
        _feed(metrics)
    began = time.process_time()
    reader.render()
    return 1000 * (time.process_time() - began)


def _feed(metrics: Metrics) -> None:
    metrics.alive()
    for what, fed in TABLE.items():
        names = sorted({label for metric in fed for label in metric.labels})
        for values in product(*(_VALUES.get(name, ("x",)) for name in names)):
            metrics(Note(what, labels=dict(zip(names, values, strict=True)), value=0.02))
