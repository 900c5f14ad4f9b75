"""Private and undocumented APIs of Celery, kombu and redis-py: see test_private_apis.py and docs/private-apis.md."""

import inspect
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock


def test_celerys_consumer_calls_the_pool_with_the_arguments_that_it_reads() -> None:
    """A pointer goes through Celery's own strategy and request class, as in a worker."""
    from celery.worker.strategy import default
    from kombu import Connection

    from contracts.enums import LLMProviderType
    from contracts.queues import COMPARE_TASK
    from ledger.message import pointer
    from tasks.app import app
    from tasks.compare import compare, priority_of

    calls: list[dict[str, Any]] = []

    class Pool:
        def apply_async(self, target: Any, args: tuple[Any, ...], **options: Any) -> None:
            calls.append({"target": target, "args": args, **options})

    pool, taken = Pool(), []
    consumer = MagicMock(
        app=app, pool=pool, event_dispatcher=None, disable_rate_limits=True, connection_errors=(), hostname="h"
    )
    consumer.controller.state.revoked = set()
    consumer.on_task_request = taken.append
    compare.bind(app)
    handle = default(compare, app, consumer)

    from json import loads

    raw = loads(pointer("0d6b7b3e-0000-4000-8000-000000000000", LLMProviderType.MOCK, 7))
    with Connection("memory://") as connection, connection.channel() as channel:
        message = channel.message_to_python(raw)
        handle(message, None, message.ack_log_error, message.reject_log_error, None)
    (request,) = taken
    request.execute_using_pool(pool)
    (call,) = calls
    name, queue_id, fields, *_ = call["args"]
    assert (name, queue_id) == (COMPARE_TASK, "0d6b7b3e-0000-4000-8000-000000000000")
    assert priority_of(fields.get("delivery_info")) == 7
    assert callable(call["accept_callback"])
    assert callable(call["callback"])


def test_celerys_thread_pool_hands_those_arguments_to_on_apply() -> None:
    from celery.concurrency.thread import ApplyResult, TaskPool

    names = list(inspect.signature(TaskPool.on_apply).parameters)
    assert names[:6] == ["self", "target", "args", "kwargs", "callback", "accept_callback"]
    assert callable(TaskPool._get_info)
    assert callable(TaskPool.on_stop)
    assert list(inspect.signature(ApplyResult.__init__).parameters) == ["self", "future"]


def test_billiards_exception_info_takes_the_current_exception() -> None:
    from billiard.einfo import ExceptionInfo

    try:
        {}["one"]
    except KeyError:
        info = ExceptionInfo()
    assert info.type is KeyError
    assert isinstance(getattr(info.exception, "exc", info.exception), KeyError)


def test_celerys_consumer_adds_and_cancels_queues_and_runs_callbacks_in_its_thread() -> None:
    from celery.worker.consumer import Consumer
    from kombu import Consumer as KombuConsumer

    assert list(inspect.signature(Consumer.add_task_queue).parameters)[:2] == ["self", "queue"]
    assert list(inspect.signature(Consumer.cancel_task_queue).parameters) == ["self", "queue"]
    assert list(inspect.signature(Consumer.call_soon).parameters)[:2] == ["self", "p"]
    assert "task_consumer" in inspect.getsource(Consumer)
    assert callable(KombuConsumer.consuming_from)


def test_celerys_event_dispatcher_flushes_at_the_buffer_limit_that_is_set() -> None:
    from celery.events import EventDispatcher

    from tasks.app import app

    connection = SimpleNamespace(transport=SimpleNamespace(driver_type="redis"))
    dispatcher = EventDispatcher(connection, app=app, enabled=False, buffer_group={"task"})
    flushes: list[int] = []
    dispatcher.flush = lambda: flushes.append(len(dispatcher._group_buffer["task"]))
    dispatcher.enabled = True
    dispatcher.buffer_limit = 3
    for _ in range(3):
        dispatcher.send("task-received", uuid="id")
    assert flushes == [3]


def test_kombu_treats_a_full_and_a_read_only_redis_as_a_lost_connection() -> None:
    from redis.exceptions import OutOfMemoryError, ReadOnlyError

    from tasks.app import app

    errors = app.connection("redis://127.0.0.1:1").connection_errors
    assert {OutOfMemoryError, ReadOnlyError} <= set(errors)


def test_kombu_gets_the_parameters_of_its_redis_client_from_the_channel() -> None:
    from kombu.transport.redis import Channel, Transport

    from tasks.app import app

    assert issubclass(Transport.Channel, Channel)
    assert Transport.Channel is not Channel, "tasks/app.py replaced it"
    assert "asynchronous" in inspect.signature(Channel._connparams).parameters
    assert "self._connparams(" in inspect.getsource(Channel._get_pool)
    assert app.connection("redis://127.0.0.1:1").transport_cls is not None


def test_kombu_reads_the_message_that_the_ledger_writes() -> None:
    """Every field, compared with kombu's own: tests/ledger/test_message.py."""
    from json import loads

    from kombu import Connection

    from contracts.enums import LLMProviderType
    from ledger.message import pointer

    with Connection("memory://") as connection, connection.channel() as channel:
        message = channel.message_to_python(loads(pointer("some-id", LLMProviderType.MOCK, 7)))
    assert message.headers["id"] == "some-id"
    assert message.payload[0] == ["some-id"]


# redis-py


def test_redis_py_raises_a_connection_error_for_unblocked() -> None:
    from redis._parsers.base import BaseParser
    from redis.exceptions import ConnectionError as RedisConnectionError

    import tasks.app  # noqa: F401 - registers the error

    line = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
    assert type(BaseParser.parse_error(line)) is RedisConnectionError


async def test_redis_py_keeps_the_number_of_the_database_in_the_pool() -> None:
    from ledger.redis.connection import connect

    redis = connect("redis://127.0.0.1:1/3", timeout=1.0)
    assert redis.connection_pool.connection_kwargs["db"] == 3


def test_redis_py_computes_a_scripts_sha_without_redis() -> None:
    from hashlib import sha1

    from redis.asyncio import Redis

    from ledger.scripts import Script, source

    assert Script(Redis(), "lock").sha == sha1(source("lock").encode()).hexdigest()  # noqa: S324 - Redis' own
