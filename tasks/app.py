"""The Celery app. Every setting has its reason; the measurements behind them are in docs/decisions/0003-celery.md."""

from typing import Any

from celery import Celery
from kombu.transport.redis import Channel, Transport
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError

from contracts.queues import PRIORITY_SEPARATOR, PRIORITY_STEPS
from contracts.settings import RedisSettings

if OutOfMemoryError not in Transport.connection_errors:
    # A Redis that is full, or read-only after a failover, refuses kombu's own writes. That passes as an outage does:
    # wait for it, and do not exit. tests/tasks/test_redis_full.py holds this.
    Transport.connection_errors += (OutOfMemoryError, ReadOnlyError)

# A Redis that becomes a replica (at a failover) ends a waiting BRPOP with UNBLOCKED. redis-py takes that for an error
# of the command, and the worker would exit. As a lost connection it reconnects. tests/tasks/test_redis_full.py holds
# this.
BaseParser.EXCEPTION_CLASSES.setdefault("UNBLOCKED", RedisConnectionError)


class _Channel(Channel):
    def _connparams(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Raises ConnectionError where the connection of this channel was closed.

        celery 5.7.0 closes a lost connection before it reconnects. A task that ends afterwards still asks its old
        channel for a Redis client. Kombu reads the address from `connection.client`, and one of the two is None by
        then. The AttributeError would end the worker. tests/tasks/test_app.py holds this.
        """
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the channel's connection to the broker was closed")
        parameters: dict[str, Any] = super()._connparams(*args, **kwargs)  # type: ignore[misc]
        return parameters


# Only this case: any other AttributeError in the consumer is a fault, and ends the worker with its place in the log.
Transport.Channel = _Channel

app = Celery("umpire", set_as_current=True)

SETTINGS: dict[str, Any] = {
    # A message counts as fetched until its request was claimed: the prefetch below bounds what a worker holds.
    "task_acks_late": True,
    # Fetch only what a thread can take at once: what waits, waits in Redis, where it is durable and visible.
    "worker_prefetch_multiplier": 1,
    # The ledger and Kafka carry results; a result backend would be a second truth.
    "task_ignore_result": True,
    "result_backend": None,
    # Our own JSON, and nothing that could run code on arrival.
    "task_serializer": "json",
    "accept_content": ["json"],
    # A worker may start before Redis, and outlives any outage of it.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_pool_acquire_timeout": 2,
    # Flower lives on task events. Celery's own for our task are off (tasks/rows.py sends one set a comparison).
    "worker_send_task_events": True,
    # structlog owns the log; Celery's lines go through it.
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    # Rate limits are Redis' (guard/limits.py), shared by all workers; Celery's are per process.
    "worker_disable_rate_limits": True,
    "broker_transport_options": {
        # No book of unacknowledged messages in Redis: two writes a task, each on disk before the task may start, for a
        # return after 15 minutes. The ledger sees what a dead worker had taken off, and pushes it again within half a
        # minute (ledger/lost.lua), and more surely: the book can be missed, too.
        "ack_emulation": False,
        # The default of 10 drops acknowledgements under load.
        "max_connections": 1000,
        "socket_timeout": 10,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "retry_on_timeout": False,
        # The front door pushes into these very lists.
        "priority_steps": list(PRIORITY_STEPS),
        "sep": PRIORITY_SEPARATOR,
        "queue_order_strategy": "priority",
    },
}
app.conf.update(SETTINGS)


def broker(settings: RedisSettings) -> dict[str, Any]:
    """Celery's settings of its broker, which Flower reads as well."""
    url, tls = settings.address()
    return {"broker_url": url, "broker_use_ssl": tls or None}
