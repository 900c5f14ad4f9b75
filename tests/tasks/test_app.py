"""The Celery settings that the measurements asked for are the ones the app has."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kombu import Connection

from contracts.queues import COMPARE_TASK, PRIORITY_SEPARATOR, PRIORITY_STEPS
from devtools.servers import ROOT, Process, poll
from tasks.app import app
from tasks.compare import compare, priority_of


def test_what_the_promises_rest_on() -> None:
    options = app.conf.broker_transport_options
    assert app.conf.task_acks_late
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.broker_connection_max_retries is None
    assert options["max_connections"] == 1000
    assert (options["sep"], tuple(options["priority_steps"])) == (PRIORITY_SEPARATOR, PRIORITY_STEPS)
    assert options["queue_order_strategy"] == "priority"


# The last one is what a lost connection leaves of a channel whose own closing failed.
@pytest.mark.parametrize("close", [Connection.close, Connection.collect, Connection._do_close_transport])
@pytest.mark.redis
def test_a_channel_whose_connection_was_closed_raises_a_connection_error(
    redis_url: str, close: Callable[[Connection], None]
) -> None:
    """Kombu's own error is an AttributeError, which would end the worker."""
    connection = app.connection(redis_url)
    channel = connection.channel()
    close(connection)
    with pytest.raises(connection.connection_errors), channel.conn_or_acquire():
        pass
    assert not issubclass(AttributeError, connection.connection_errors)


@pytest.mark.redis
def test_any_other_attribute_error_in_the_consumer_is_a_fault(tmp_path: Path, redis_url: str) -> None:
    log = tmp_path / "log"
    settings = {"PYTHONPATH": str(ROOT), "UMPIRE_REDIS_URL": redis_url, "UMPIRE_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    command = [sys.executable, str(ROOT / "tests/support/umpire_faulty.py"), "consumer"]
    process = Process("worker", command, log, {"UMPIRE_MOCK_ENABLED": "true", **settings})
    try:
        process.start(log.exists)
        poll(lambda: not process.running, 60, what="the worker ends")
        assert process.stop() == 1
    finally:
        process.kill()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    faults = [line for line in lines if line.get("exception") == "AttributeError"]
    assert [line["event"].partition(":")[0] for line in faults] == ["celery.worker"]
    assert "Connection to broker lost" not in log.read_text()


def test_the_task_answers_to_the_name_that_the_door_knows() -> None:
    assert compare.name == COMPARE_TASK
    assert compare.send_events is False


@pytest.mark.parametrize(("info", "ours"), [({"priority": 0}, 9), ({"priority": 9}, 0), ({}, 9), (None, 9)])
def test_our_priority_from_the_brokers(info: object, ours: int) -> None:
    assert priority_of(info) == ours
