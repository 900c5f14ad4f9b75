"""Counters, gauges and histograms that cost a microsecond to feed. prometheus_client reads them when it is scraped:
its own cost five to ten times as much each time, and one comparison feeds a dozen.

One lock for all: notes come from the loop's thread, and from Kafka's.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

Values = tuple[str, ...]


class Tally(Protocol):
    """One metric, by the values of its labels."""

    def add(self, labels: Mapping[str, str], amount: float) -> None: ...

    def family(self) -> Metric:
        """As it is now."""
        ...


class Count:
    def __init__(self, name: str, text: str, labels: Values, lock: Lock) -> None:
        self._name, self._text, self._labels, self._lock = name, text, labels, lock
        #: Without labels it is there from the start, at zero.
        self._sums: dict[Values, float] = {} if labels else {(): 0.0}

    def add(self, labels: Mapping[str, str], amount: float) -> None:
        key = tuple([labels.get(label, "") for label in self._labels])
        with self._lock:
            self._sums[key] = self._sums.get(key, 0.0) + amount

    def family(self) -> Metric:
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        with self._lock:
            sums = dict(self._sums)
        for key, total in sums.items():
            family.add_metric(key, total)
        return family


class Level(Count):
    """A gauge: what was told last stands."""

    def add(self, labels: Mapping[str, str], amount: float) -> None:
        key = tuple([labels.get(label, "") for label in self._labels])
        with self._lock:
            self._sums[key] = amount

    def family(self) -> Metric:
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        with self._lock:
            levels = dict(self._sums)
        for key, level in levels.items():
            family.add_metric(key, level)
        return family


class Spread:
    """A histogram. `bounds`: the inclusive upper ends of its buckets, in order; one without an end follows them."""

    def __init__(self, name: str, text: str, labels: Values, bounds: Iterable[float], lock: Lock) -> None:
        self._name, self._text, self._labels, self._lock = name, text, labels, lock
        self._bounds = tuple(bounds)
        self._names = [*map(floatToGoString, self._bounds), "+Inf"]
        #: For each: how many fell into each bucket, and their sum at the end.
        self._rows: dict[Values, list[float]] = {}
        if not labels:
            self._row(())

    def _row(self, key: Values) -> list[float]:
        return self._rows.setdefault(key, [0.0] * (len(self._names) + 1))

    def add(self, labels: Mapping[str, str], amount: float) -> None:
        key = tuple([labels.get(label, "") for label in self._labels])
        place = bisect_left(self._bounds, amount)
        with self._lock:
            row = self._rows.get(key) or self._row(key)
            row[place] += 1
            row[-1] += amount

    def family(self) -> Metric:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        with self._lock:
            rows = {key: list(row) for key, row in self._rows.items()}
        for key, row in rows.items():
            total, buckets = 0.0, []
            for name, count in zip(self._names, row[:-1], strict=True):
                total += count
                buckets.append((name, total))
            family.add_metric(key, buckets, row[-1])
        return family
