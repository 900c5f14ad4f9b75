"""Counters, gauges and histograms that cost a microsecond to feed. prometheus_client reads them when it is scraped:
its own cost five to ten times as much each time, and one comparison feeds a dozen.

One lock for all: notes come from the loop's thread, and from Kafka's.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from telemetry.cells import COUNTER, LEVEL, Cells, Key, Numbers

Values = tuple[str, ...]


class Tally(Protocol):
    """One metric, by the values of its labels."""

    def add(self, labels: Mapping[str, str], amount: float) -> None: ...

    def family(self, more: Sequence[str] = ()) -> Metric:
        """Empty; `more`: labels that stand before its own."""
        ...

    def tell(self, family: Metric, labels: Sequence[str], numbers: Numbers) -> None:
        """Add a series to the family: the values of all its labels, and its numbers, in this process or another."""
        ...


class _Series:
    """The places of one metric's series."""

    kind = COUNTER

    def __init__(self, name: str, text: str, labels: Values, lock: Lock, cells: Cells, count: int = 1) -> None:
        self._name, self._text, self._labels, self._lock = name, text, labels, lock
        self._cells, self._count = cells, count
        self._places: dict[Values, Numbers] = {}
        if not labels and self.kind is COUNTER:
            self._place(())  # it is there from the start, at zero

    def _place(self, key: Values) -> Numbers:
        found = self._places[key] = self._cells.take(Key(self.kind, self._name, key), self._count)
        return found


class Count(_Series):
    def add(self, labels: Mapping[str, str], amount: float) -> None:
        key = tuple([labels.get(label, "") for label in self._labels])
        with self._lock:
            place = self._places.get(key)
            if place is None:
                place = self._place(key)
            place[0] += amount

    def family(self, more: Sequence[str] = ()) -> Metric:
        return CounterMetricFamily(self._name, self._text, labels=[*more, *self._labels])

    def tell(self, family: Metric, labels: Sequence[str], numbers: Numbers) -> None:
        family.add_metric(labels, numbers[0])  # type: ignore[attr-defined]


class Level(_Series):
    """A gauge: what was told last stands, as long as its process runs."""

    kind = LEVEL

    def add(self, labels: Mapping[str, str], amount: float) -> None:
        key = tuple([labels.get(label, "") for label in self._labels])
        with self._lock:
            place = self._places.get(key)
            if place is None:
                place = self._place(key)
            place[0] = amount

    def family(self, more: Sequence[str] = ()) -> Metric:
        return GaugeMetricFamily(self._name, self._text, labels=[*more, *self._labels])

    def tell(self, family: Metric, labels: Sequence[str], numbers: Numbers) -> None:
        if not math.isnan(numbers[0]):
            family.add_metric(labels, numbers[0])  # type: ignore[attr-defined]


class Spread(_Series):
    """A histogram. `bounds`: the inclusive upper ends of its buckets, in order; one without an end follows them."""

    def __init__(self, name: str, text: str, labels: Values, bounds: Iterable[float], lock: Lock, cells: Cells) -> None:
        self._bounds = tuple(bounds)
        self._names = [*map(floatToGoString, self._bounds), "+Inf"]
        # How many fell into each bucket, and their sum at the end.
        super().__init__(name, text, labels, lock, cells, len(self._names) + 1)

    def add(self, labels: Mapping[str, str], amount: float) -> None:
        key = tuple([labels.get(label, "") for label in self._labels])
        bucket = bisect_left(self._bounds, amount)
        with self._lock:
            place = self._places.get(key)
            if place is None:
                place = self._place(key)
            place[bucket] += 1
            place[-1] += amount

    def family(self, more: Sequence[str] = ()) -> Metric:
        return HistogramMetricFamily(self._name, self._text, labels=[*more, *self._labels])

    def tell(self, family: Metric, labels: Sequence[str], numbers: Numbers) -> None:
        if len(numbers) != len(self._names) + 1:
            return  # of a version with other buckets
        total, buckets = 0.0, []
        for name, count in zip(self._names, numbers[:-1], strict=True):
            total += count
            buckets.append((name, total))
        family.add_metric(labels, buckets, numbers[-1])  # type: ignore[attr-defined]
