"""Prometheus metrics, fed by notes. TABLE lists all that a process counts.

Each process keeps its figures in a file that its siblings read, so one scrape shows all processes of a host. GAUGES
lists the shared state that is read at each scrape.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE

from telemetry.cells import LEVEL, Cells, Entry, Key, read
from telemetry.observer import Note
from telemetry.places import Place, is_running, places
from telemetry.tally import Count, Level, Spread, Tally, line

PREFIX = "llm_provider_"

#: Seconds. Ten buckets below 0.5 s, where the service's own time lies; the rest for providers.
LATENCY_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5),
    *(0.75, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 120.0),
)
#: Seconds in a queue: up to the time to live.
WAIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 14400.0)


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] | None = None
    """A histogram of the note's value where set; a counter otherwise."""
    amount: bool = False
    """The counter grows by the note's value, not by one."""
    level: bool = False
    """A gauge of the note's value."""

    @property
    def by_value(self) -> bool:
        return self.amount or self.level or self.buckets is not None


COMPARISONS = Metric(
    "comparisons_total",
    "Requests ended: completed, failed, expired or cancelled, in the process that ended them",
    ("provider", "status"),
)
CLAIM_DURATION = Metric(
    "comparison_duration_seconds",
    "Time from claim to the end of the claim: completed, failed, deferred or returned",
    ("provider", "status"),
    LATENCY_BUCKETS,
)
UNKNOWN_ROWS = Metric("unknown_rows_total", "What Redis holds and this version cannot read: passed over", ("kind",))

#: Note → metrics. A metric takes from the note's labels those that are named here.
TABLE: dict[str, tuple[Metric, ...]] = {
    "door.answered": (
        Metric("http_requests_total", "Answers of the front door", ("route", "status")),
        Metric("http_request_duration_seconds", "Time to answer", ("route",), LATENCY_BUCKETS),
    ),
    "door.refused": (Metric("refusals_total", "Requests refused at the door", ("error_code",)),),
    "key.refused": (Metric("key_refusals_total", "Requests refused for their API key", ("reason",)),),
    "key.remembered": (Metric("keys_remembered_total", "API keys taken from the local copy while Redis was away"),),
    "ledger.admitted": (Metric("admitted_total", "Requests accepted", ("provider",)),),
    "record.unreadable": (UNKNOWN_ROWS,),
    "row.unknown": (UNKNOWN_ROWS,),
    "ledger.cancelled": (Metric("cancelled_total", "Requests cancelled before they started", ("provider",)),),
    "ledger.unavailable": (Metric("ledger_unavailable_total", "Times that Redis did not answer the door"),),
    "spool.accepted": (Metric("spool_accepted_total", "Requests accepted into the spool", ("provider",)),),
    "spool.drained": (Metric("spool_drained_total", "Requests moved from the spool to the ledger", amount=True),),
    "comparison.claimed": (
        Metric("queue_wait_time_seconds", "Time from the last push to the claim", ("provider",), WAIT_BUCKETS),
    ),
    # The end of a request by its claim, by another process, and the end of a claim without the request's.
    "comparison.finished": (COMPARISONS, CLAIM_DURATION),
    "comparison.ended": (COMPARISONS,),
    "comparison.released": (CLAIM_DURATION,),
    "comparison.deferred": (Metric("deferrals_total", "Requests deferred", ("provider", "error_code")),),
    "comparison.returned": (Metric("returns_total", "Requests given back without a try", ("provider", "reason")),),
    "call.finished": (
        Metric("calls_total", "Calls to a provider", ("provider", "outcome")),
        Metric("call_duration_seconds", "Time of a call", ("provider", "outcome"), LATENCY_BUCKETS),
    ),
    "call.retry": (Metric("retries_total", "Attempts repeated within a claim", ("error",)),),
    "call.tokens": (Metric("tokens_total", "Tokens used", ("provider", "kind"), amount=True),),
    "call.cost": (Metric("cost_usd_total", "Cost of calls, where the price is known", ("provider",), amount=True),),
    "callback.delivered": (Metric("comparison_callbacks_total", "Result events, by outcome", ("outcome",)),),
    "callback.failed": (Metric("comparison_callbacks_total", "Result events, by outcome", ("outcome",)),),
    "callback.dead": (Metric("dead_letters_total", "Result events that Kafka refused for good", ("reason",)),),
    "lifecycle.dropped": (Metric("lifecycle_dropped_total", "Best-effort events that were dropped"),),
    "lease.lost": (Metric("leases_lost_total", "Leases that ended under a running call", ("provider",)),),
    "custodian.action": (Metric("custodian_actions_total", "Records the custodian moved", ("action",), amount=True),),
    "gate.changed": (Metric("gate_changes_total", "Times a worker's gate opened or closed", ("provider", "state")),),
    "hold.changed": (Metric("hold_changes_total", "Times a provider went on hold, or off it", ("provider", "hold")),),
    "ledger.sums_unwritten": (
        Metric("sums_unwritten_total", "Tallies of ended requests that Redis could not add up", amount=True),
    ),
    "adaptive.concurrency": (
        Metric("concurrency_limit", "Calls in flight that all workers may have", ("provider",), level=True),
    ),
    "adaptive.rate": (
        Metric("start_rate_limit", "Starts a second that all workers may make", ("provider",), level=True),
    ),
    "adaptive.lowered": (Metric("limit_cuts_total", "Times that an adaptive limit was lowered", ("provider",)),),
    "error.unexpected": (Metric("unexpected_errors_total", "Faults of ours", ("where",)),),
}


_PROVIDER = ("provider",)

#: Gauges of shared state, the same for all processes: name → help and labels. API processes read them at each scrape.
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "ledger_up": ("1 if Redis answered this scrape", ()),
    "queue_depth": ("Requests that wait, by state: queued or deferred", ("provider", "state")),
    "unfinished": ("Accepted requests that have not ended", ()),
    "processing": ("Those of them that a worker has claimed", ()),
    "books_difference": (
        "Requests accepted - ended - unfinished. Above 0: some are missing; below 0: some ended twice",
        (),
    ),
    "ledger_bytes": ("Bytes of unfinished requests and of results in the outbox", ()),
    "ledger_refusing": ("1 while the ledger is full and refuses requests", ()),
    "outbox": ("Results that Kafka has not confirmed", ()),
    "dead_letters_kept": ("Results that Kafka refused for good, kept in Redis", ()),
    "workers_alive": ("Worker processes with a fresh heartbeat", _PROVIDER),
    "available": ("1 if calls to the provider may start", _PROVIDER),
    "circuit_state": ("1 for the present state of the circuit breaker", ("provider", "state")),
    "on_hold": ("1 while the provider is on hold for this reason", ("provider", "reason")),
    "models_on_hold": ("Models of the provider that are on hold", _PROVIDER),
    "spool_requests": ("Requests in the spool of this host", ()),
    "spool_bytes": ("Bytes of them", ()),
    "spool_refusing": ("1 while the spool is full and refuses requests", ()),
}


#: Seconds without a sign of life after which a running process hangs: its loop leaves one each second.
ALIVE_SECONDS = 10.0

_ALIVE, _READY = Key(LEVEL, "alive", ()), Key(LEVEL, "ready", ())
_ALIVE_TEXT, _READY_TEXT = _ALIVE.encode(), _READY.encode()
_SIGNS = frozenset({_ALIVE_TEXT, _READY_TEXT})

_UP = PREFIX + "process_up"
_UP_HEADER = f"# HELP {_UP} Whether the process runs and its loop turns\n# TYPE {_UP} gauge\n"


class Metrics:
    """The metrics of one process; itself an observer. A scrape of it shows all processes of its directory."""

    content_type = CONTENT_TYPE

    def __init__(self, process: str = "", place: Place | None = None, directory: Path | None = None) -> None:
        """`process`: value of the label `process`. With a directory only, a scrape shows the processes that have a file
        there; with no argument, this process' own series, without the label.
        """
        self._process = place.process if place else process
        self._directory = directory
        self._labelled = bool(self._process or directory)
        self._cells = Cells(place.file if place else None)
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._lock = Lock()
        self._tallies: dict[str, Tally] = {}
        #: Note → the tallies that it feeds, each with whether it grows by the note's value or by one.
        self._feeds: dict[str, tuple[tuple[Tally, bool], ...]] = {
            what: tuple((self._tally(metric), metric.by_value) for metric in metrics) for what, metrics in TABLE.items()
        }
        self._alive = self._cells.take(_ALIVE, 1)
        self._ready = self._cells.take(_READY, 1)
        #: Process → encoded key → how a scrape shows the series, computed once. None: it is not shown.
        self._rows: dict[str, dict[bytes, _Row | None]] = {}

    def __call__(self, note: Note, /) -> None:
        for tally, by_value in self._feeds.get(note.what, ()):
            tally.add(note.labels, (note.value or 0.0) if by_value else 1.0)

    def alive(self, *, ready: bool = True) -> None:
        """Leave a sign of life. Called on the event loop that is watched for hanging."""
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
        others = places(self._directory) if self._directory else iter(())
        for name, path in others:
            if name != self._process:
                try:
                    yield _state(name, list(read(path)), runs=is_running(path))
                except OSError:
                    continue  # removed meanwhile
        if self._process or not self._directory:
            with self._lock:
                series = list(self._cells)
            yield _state(self._process, series, runs=True)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format. Takes about 1 ms of CPU per process: not for an event loop."""
        shown: dict[str, list[str]] = {name: [tally.header] for name, tally in self._tallies.items()}
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
                    shown[row.metric].append(row.tally.fill(row.form, numbers))
            up.append(line(_UP, self._label(state.name), "%s") % float(state.runs and not state.hangs))
        for gone in set(self._rows) - names:  # a copy: several scrapes may run at once
            self._rows.pop(gone, None)
        parts = [*(text for lines in shown.values() for text in lines), *(up if self._labelled else [])]
        return "".join(parts).encode() + generate_latest(self._registry)

    def _row(self, process: str, text: bytes) -> "_Row | None":
        """None: the series comes from another version, whose metrics or labels differ."""
        try:
            key = Key.decode(text)
        except ValueError:
            return None
        tally = self._tallies.get(key.metric)
        form = tally.form(key.labels, self._label(process)) if tally else None
        return None if tally is None or form is None else _Row(tally, key.metric, form, key.kind == LEVEL)

    def _label(self, process: str) -> list[tuple[str, str]]:
        return [("process", process)] if self._labelled else []

    def _tally(self, metric: Metric) -> Tally:
        """The metric's tally, made once: several notes may feed one metric."""
        name = PREFIX + metric.name
        if name not in self._tallies:
            self._tallies[name] = self._new(name, metric)
        return self._tallies[name]

    def _new(self, name: str, metric: Metric) -> Tally:
        if metric.level:
            return Level(name, metric.help, metric.labels, self._lock, self._cells)
        if metric.buckets is None:
            return Count(name, metric.help, metric.labels, self._lock, self._cells)
        return Spread(name, metric.help, metric.labels, metric.buckets, self._lock, self._cells)


@dataclass(frozen=True, slots=True)
class _Row:
    """How a scrape shows one series, without its numbers."""

    tally: Tally
    metric: str
    form: str
    is_level: bool


@dataclass(frozen=True, slots=True)
class ProcessState:
    name: str
    runs: bool
    #: Its loop has left no sign of life for ALIVE_SECONDS.
    hangs: bool
    ready: bool
    series: list[Entry]


def _state(name: str, series: list[Entry], *, runs: bool) -> ProcessState:
    signs = {text: numbers[0] for text, numbers in series if text in _SIGNS}
    since = time.monotonic() - signs.get(_ALIVE_TEXT, math.nan)
    ready = runs and signs.get(_READY_TEXT) == 1.0
    return ProcessState(name, runs, hangs=since > ALIVE_SECONDS, ready=ready, series=series)
