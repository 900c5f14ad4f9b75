"""Many notes of one cause are one line, and metrics count each."""

from contracts.settings import TelemetrySettings
from telemetry.fold import Fold
from telemetry.logging import LogObserver, configure_logging
from telemetry.metrics.metrics import Metrics
from telemetry.observer import Fanout, Note


def test_notes_are_counted_until_it_is_closed_and_metrics_count_each(capfd):
    settings = TelemetrySettings()
    configure_logging(settings, "x")
    metrics = Metrics()
    counted_as = {"call.finished": "calls_failed", "call.retry": "retries"}
    fold = Fold("breaker.affected", {"provider": "mock"}, counted_as, Fanout(metrics, LogObserver(settings)))
    fold.close()
    for _ in range(3):
        fold.add(Note("call.finished", "warning", {"provider": "mock", "outcome": "LLM_PROVIDER_TIMEOUT"}, 1.0))
    fold.close()
    fold.close()
    (line,) = capfd.readouterr().err.splitlines()
    for part in ('"breaker.affected"', '"calls_failed": 3', '"retries": 0', '"provider": "mock"', '"level": "info"'):
        assert part in line
    counted = 'llm_provider_calls_total{outcome="LLM_PROVIDER_TIMEOUT",provider="mock"} 3.0'
    assert counted in metrics.render().decode()
