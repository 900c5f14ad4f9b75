"""What is scraped is what was noted, in Prometheus' own terms."""

from threading import Thread

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from telemetry.metric_table import LATENCY_BUCKETS, PREFIX, TABLE
from telemetry.metrics import Metrics
from telemetry.observer import Note


def scraped(metrics):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_counters_count_notes_or_add_up_their_values():
    metrics = Metrics()
    for _ in range(3):
        metrics(Note("ledger.admitted", labels={"provider": "mock"}))
    for value in (0.25, 0.5):
        metrics(Note("call.cost", labels={"provider": "mock", "not": "a label of it"}, value=value))
    found = scraped(metrics)
    assert found[PREFIX + "admitted_total", (("provider", "mock"),)] == 3
    assert found[PREFIX + "cost_usd_total", (("provider", "mock"),)] == 0.75


def test_what_has_no_labels_is_there_from_the_start():
    found = scraped(Metrics())
    assert found[PREFIX + "ledger_unavailable_total", ()] == 0
    assert not any(name == PREFIX + "admitted_total" for name, _ in found)


def test_two_notes_feed_one_metric():
    metrics = Metrics()
    metrics(Note("callback.delivered", labels={"outcome": "delivered"}))
    metrics(Note("callback.failed", labels={"outcome": "failed", "reason": "x"}))
    found = scraped(metrics)
    name = PREFIX + "comparison_callbacks_total"
    assert found[name, (("outcome", "delivered"),)] == found[name, (("outcome", "failed"),)] == 1


@pytest.mark.parametrize("value", [0.0, 0.001, 0.0011, 0.3, 119.0, 120.0, 1000.0])
def test_a_histogram_is_the_one_that_the_library_would_make(value):
    metrics, registry = Metrics(), CollectorRegistry()
    theirs = Histogram(
        PREFIX + "call_duration_seconds", "Duration of a provider call", ["provider", "outcome"],
        buckets=LATENCY_BUCKETS, registry=registry,
    )  # fmt: skip
    count = Counter(PREFIX + "calls_total", "Calls to a provider", ["provider", "outcome"], registry=registry)
    for amount in (value, 0.02):
        metrics(Note("call.finished", labels={"provider": "mock", "outcome": "ok"}, value=amount))
        theirs.labels("mock", "ok").observe(amount)
        count.labels("mock", "ok").inc()
    wanted = [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]
    assert set(wanted) <= set(metrics.render().decode().splitlines())


@pytest.mark.parametrize("label", ['a "quoted" one', "back\\slash", "two\nlines", "100 % é 漢", "{}", "%s"])
def test_any_label_is_written_as_the_library_would(label):
    metrics, registry = Metrics(), CollectorRegistry()
    count = Counter(PREFIX + "admitted_total", "Comparison requests accepted", ["provider"], registry=registry)
    metrics(Note("ledger.admitted", labels={"provider": label}))
    count.labels(label).inc()
    wanted = [line for line in generate_latest(registry).decode().split("\n") if "_created" not in line]
    assert set(wanted) <= set(metrics.render().decode().split("\n"))
    assert scraped(metrics)[PREFIX + "admitted_total", (("provider", label),)] == 1


@pytest.mark.parametrize("value", [1e-9, 1e6, 123456789.25, 1e300, float("inf"), -1.5])
def test_any_number_is_read_back_as_it_was(value):
    metrics = Metrics()
    metrics(Note("adaptive.rate", labels={"provider": "mock"}, value=value))
    metrics(Note("call.cost", labels={"provider": "mock"}, value=value))
    found = scraped(metrics)
    names = [PREFIX + "start_rate_limit", PREFIX + "cost_usd_total"]
    assert [found[name, (("provider", "mock"),)] for name in names] == [value, value]


def test_notes_from_several_threads_are_all_counted():
    metrics = Metrics()

    def many():
        for _ in range(5_000):
            metrics(Note("callback.delivered", labels={"outcome": "delivered"}))

    threads = [Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scraped(metrics)[PREFIX + "comparison_callbacks_total", (("outcome", "delivered"),)] == 20_000


def test_every_metric_is_declared_once_and_its_kind_is_clear():
    seen = {}
    for metrics in TABLE.values():
        for metric in metrics:
            assert seen.setdefault(metric.name, metric) == metric
            assert metric.name.endswith("_total") == (metric.buckets is None and not metric.level)
