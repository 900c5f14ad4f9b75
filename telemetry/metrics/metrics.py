"""Prometheus metrics, updated by notes (table.py lists them).

Each process stores their values in a file that the other processes of the host read, so one scrape shows all of them.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE

from telemetry.metrics.family import CounterFamily, GaugeFamily, HistogramFamily, MetricFamily, line
from telemetry.metrics.process_files import ProcessFile, is_running, process_files
from telemetry.metrics.series_file import GAUGE, SeriesEntry, SeriesFile, SeriesKey, read
from telemetry.metrics.table import GAUGES, PREFIX, TABLE, Metric
from telemetry.observer import Note

#: A process hangs if its event loop has not called `Metrics.alive` for this many seconds; it calls once a second.
ALIVE_SECONDS = 10.0

_ALIVE, _READY = SeriesKey(GAUGE, "alive", ()), SeriesKey(GAUGE, "ready", ())
_ALIVE_TEXT, _READY_TEXT = _ALIVE.encode(), _READY.encode()
_SIGNS = frozenset({_ALIVE_TEXT, _READY_TEXT})

_UP = PREFIX + "process_up"
_UP_HEADER = f"# HELP {_UP} 1 if the process runs and its event loop does not hang\n# TYPE {_UP} gauge\n"


class Metrics:
    """The metrics of one process; itself an observer. A scrape of it shows all processes of its directory."""

    content_type = CONTENT_TYPE

    def __init__(
        self, process: str = "", process_file: ProcessFile | None = None, directory: Path | None = None
    ) -> None:
        """`process`: value of the label `process`. With a directory only, a scrape shows the processes that have a file
        there; with no argument, this process' own series, without the label.
        """
        self._process = process_file.process if process_file else process
        self._directory = directory
        self._labelled = bool(self._process or directory)
        self._series_file = SeriesFile(process_file.file if process_file else None)
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._lock = Lock()
        self._families: dict[str, MetricFamily] = {}
        #: Note → the metrics that it updates, each with whether by the note's value or by one.
        self._feeds: dict[str, tuple[tuple[MetricFamily, bool], ...]] = {
            what: tuple((self._family(metric), metric.by_value) for metric in metrics)
            for what, metrics in TABLE.items()
        }
        self._alive = self._series_file.take(_ALIVE, 1)
        self._ready = self._series_file.take(_READY, 1)
        #: Process → encoded key → how a scrape shows the series, computed once. None: it is not shown.
        self._rows: dict[str, dict[bytes, _Row | None]] = {}

    def __call__(self, note: Note, /) -> None:
        for family, by_value in self._feeds.get(note.what, ()):
            family.add(note.labels, (note.value or 0.0) if by_value else 1.0)

    def alive(self, *, ready: bool = True) -> None:
        """Record that the event loop runs. To be called on that loop."""
        self._ready[0] = float(ready)
        self._alive[0] = time.monotonic()

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set one of GAUGES; created on first use."""
        if name not in self._gauges:
            text, names = GAUGES[name]
            self._gauges[name] = Gauge(PREFIX + name, text, names, registry=self._registry)
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def processes(self) -> Iterator["ProcessState"]:
        """All processes of the directory; only this one if there is no directory."""
        others = process_files(self._directory) if self._directory else iter(())
        for name, path in others:
            if name != self._process:
                try:
                    yield _state(name, list(read(path)), runs=is_running(path))
                except OSError:
                    continue  # removed meanwhile
        if self._process or not self._directory:
            with self._lock:
                series = list(self._series_file)
            yield _state(self._process, series, runs=True)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format. Takes about 1 ms of CPU per process: not for an event loop."""
        shown: dict[str, list[str]] = {name: [family.header] for name, family in self._families.items()}
        up = [_UP_HEADER]
        names = set()
        for state in self.processes():
            names.add(state.name)
            rows = self._rows.setdefault(state.name, {})
            for text, numbers in state.series:
                try:
                    row = rows[text]
                except KeyError:
                    row = rows[text] = self._row(state.name, text)
                if row is not None and (state.runs or not row.is_level):
                    shown[row.metric].append(row.family.fill(row.form, numbers))
            up.append(line(_UP, self._label(state.name), "%s") % float(state.runs and not state.hangs))
        for gone in set(self._rows) - names:  # a copy: several scrapes may run at once
            self._rows.pop(gone, None)
        parts = [*(text for lines in shown.values() for text in lines), *(up if self._labelled else [])]
        return "".join(parts).encode() + generate_latest(self._registry)

    def _row(self, process: str, text: bytes) -> "_Row | None":
        """None: the series comes from another version, whose metrics or labels differ."""
        try:
            key = SeriesKey.decode(text)
        except ValueError:
            return None
        family = self._families.get(key.metric)
        form = family.form(key.labels, self._label(process)) if family else None
        return None if family is None or form is None else _Row(family, key.metric, form, key.kind == GAUGE)

    def _label(self, process: str) -> list[tuple[str, str]]:
        return [("process", process)] if self._labelled else []

    def _family(self, metric: Metric) -> MetricFamily:
        """The metric's family, made once: several notes may feed one metric."""
        name = PREFIX + metric.name
        if name not in self._families:
            common = name, metric.help, metric.labels, self._lock, self._series_file
            if metric.buckets is not None:
                self._families[name] = HistogramFamily(*common, metric.buckets)
            else:
                self._families[name] = GaugeFamily(*common) if metric.level else CounterFamily(*common)
        return self._families[name]


@dataclass(frozen=True, slots=True)
class _Row:
    """How a scrape shows one series, without its numbers."""

    family: MetricFamily
    metric: str
    form: str
    is_level: bool


@dataclass(frozen=True, slots=True)
class ProcessState:
    name: str
    runs: bool
    #: The event loop has not called `Metrics.alive` for ALIVE_SECONDS.
    hangs: bool
    ready: bool
    series: list[SeriesEntry]


def _state(name: str, series: list[SeriesEntry], *, runs: bool) -> ProcessState:
    signs = {text: numbers[0] for text, numbers in series if text in _SIGNS}
    since = time.monotonic() - signs.get(_ALIVE_TEXT, math.nan)
    ready = runs and signs.get(_READY_TEXT) == 1.0
    return ProcessState(name, runs, hangs=since > ALIVE_SECONDS, ready=ready, series=series)
