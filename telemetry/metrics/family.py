"""Counters, gauges and histograms, and their lines in Prometheus' text format.

An update takes a microsecond; prometheus_client's takes five to ten times as long, and one comparison makes a dozen.
One lock for all metrics: notes come from the event loop's thread and from Kafka's.
"""

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from operator import itemgetter
from threading import Lock

from prometheus_client.utils import floatToGoString

from telemetry.metrics.series_file import COUNTER, GAUGE, Numbers, SeriesFile, SeriesKey

Values = tuple[str, ...]
Labels = Sequence[tuple[str, str]]


def line(name: str, labels: Labels, place: str) -> str:
    """A line of Prometheus' text format, as a template for `%`. `place`: the number's conversion, such as `%s`."""
    shown = ",".join(f'{label}="{_escaped(value)}"' for label, value in sorted(labels))
    return f"{name}{{{shown}}} {place}\n" if shown else f"{name} {place}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"").replace("%", "%%")


def _no_values(_: Mapping[str, str]) -> Values:
    return ()


def _shown(number: float) -> str:
    return str(floatToGoString(number))  # type: ignore[no-untyped-call]


class MetricFamily(ABC):
    """One metric, with a series for each combination of label values."""

    kind, shown_as = COUNTER, "counter"

    def __init__(
        self, name: str, text: str, labels: Values, lock: Lock, series_file: SeriesFile, count: int = 1
    ) -> None:
        self._name, self._text, self._labels, self._lock = name, text, labels, lock
        self._series_file, self._count = series_file, count
        self._numbers: dict[Values, Numbers] = {}
        #: The same by the values as `itemgetter` returns them, which takes a third of the time: one value is no tuple.
        self._found: dict[Values | str, Numbers] = {}
        self._get: Callable[[Mapping[str, str]], Values | str] = itemgetter(*labels) if labels else _no_values
        if not labels and self.kind is COUNTER:
            self._of({})  # so that it is shown from the start, at zero

    @abstractmethod
    def add(self, labels: Mapping[str, str], amount: float) -> None: ...

    def _of(self, labels: Mapping[str, str]) -> Numbers:
        """The numbers of one series. The caller holds the lock."""
        try:
            return self._found[self._get(labels)]
        except KeyError:
            return self._search(labels)

    def _search(self, labels: Mapping[str, str]) -> Numbers:
        """A new series, or one without all of its labels."""
        key = tuple(labels.get(label, "") for label in self._labels)
        if key not in self._numbers:
            numbers = self._series_file.take(SeriesKey(self.kind, self._name, key), self._count)
            self._numbers[key] = self._found[key[0] if len(key) == 1 else key] = numbers
        return self._numbers[key]

    @property
    def header(self) -> str:
        """The HELP and TYPE lines before its series."""
        return f"# HELP {self._name} {self._text}\n# TYPE {self._name} {self.shown_as}\n"

    def form(self, values: Values, more: Labels) -> str | None:
        """The lines of one series, with placeholders for its numbers. None: the labels are those of another version.

        `more`: labels besides the metric's own.
        """
        if len(values) != len(self._labels):
            return None
        return self._form([*more, *zip(self._labels, values, strict=True)])

    def _form(self, labels: Labels) -> str:
        return line(self._name, labels, "%s")

    def fill(self, form: str, numbers: Numbers) -> str:
        """The lines of a series of this process or another one; empty if it has no value."""
        value = numbers[0]
        return "" if math.isnan(value) else form % _shown(value)


class CounterFamily(MetricFamily):
    def add(self, labels: Mapping[str, str], amount: float) -> None:
        with self._lock:
            self._of(labels)[0] += amount


class GaugeFamily(MetricFamily):
    """A gauge: the last value, shown as long as its process runs."""

    kind, shown_as = GAUGE, "gauge"

    def add(self, labels: Mapping[str, str], amount: float) -> None:
        with self._lock:
            self._of(labels)[0] = amount


class HistogramFamily(MetricFamily):
    """A histogram. `bounds`: inclusive upper bounds of its buckets, ascending; a last bucket has no bound."""

    shown_as = "histogram"

    def __init__(
        self, name: str, text: str, labels: Values, lock: Lock, series_file: SeriesFile, bounds: Iterable[float]
    ) -> None:
        self._bounds = tuple(bounds)
        self._names = [*map(floatToGoString, self._bounds), "+Inf"]
        # A count for each bucket, then the sum of all values.
        super().__init__(name, text, labels, lock, series_file, len(self._names) + 1)

    def add(self, labels: Mapping[str, str], amount: float) -> None:
        bucket = bisect_left(self._bounds, amount)
        with self._lock:
            numbers = self._of(labels)
            numbers[bucket] += 1
            numbers[-1] += amount

    def _form(self, labels: Labels) -> str:
        buckets = [line(f"{self._name}_bucket", [*labels, ("le", name)], "%r") for name in self._names]
        return "".join([*buckets, line(f"{self._name}_count", labels, "%r"), line(f"{self._name}_sum", labels, "%s")])

    def fill(self, form: str, numbers: Numbers) -> str:
        *counts, total = numbers.tolist()
        if len(counts) != len(self._names):
            return ""  # written by a version with other buckets
        below = tuple(accumulate(counts))
        return form % (*below, below[-1], _shown(total))
