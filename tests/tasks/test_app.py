"""The Celery settings that the measurements asked for are the ones the app has."""

import pytest
from kombu.transport.redis import Transport

from contracts.queues import COMPARE_TASK, PRIORITY_SEPARATOR, PRIORITY_STEPS
from tasks.app import SETTINGS, app
from tasks.compare import compare, priority_of


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_in_force(name: str) -> None:
    assert app.conf[name] == SETTINGS[name]


def test_what_the_promises_rest_on() -> None:
    options = app.conf.broker_transport_options
    assert app.conf.task_acks_late
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.broker_connection_max_retries is None
    assert options["max_connections"] == 1000
    assert (options["sep"], tuple(options["priority_steps"])) == (PRIORITY_SEPARATOR, PRIORITY_STEPS)
    assert options["queue_order_strategy"] == "priority"
    assert AttributeError in Transport.connection_errors


def test_the_task_answers_to_the_name_that_the_door_knows() -> None:
    assert compare.name == COMPARE_TASK
    assert compare.send_events is False


@pytest.mark.parametrize(("info", "ours"), [({"priority": 0}, 9), ({"priority": 9}, 0), ({}, 9), (None, 9)])
def test_our_priority_from_the_brokers(info: object, ours: int) -> None:
    assert priority_of(info) == ours
