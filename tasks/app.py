"""The Celery app. Each setting is explained here; docs/decisions/0003-celery.md has the measurements."""

from typing import Any

from celery import Celery
from kombu.transport.redis import Channel, Transport
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError

from contracts.queues import PRIORITY_SEPARATOR, PRIORITY_STEPS
from contracts.settings import RedisSettings

if OutOfMemoryError not in Transport.connection_errors:
    # Redis refuses kombu's writes while it is full, or read-only after a failover. Treated as a connection error, this
    # makes the worker reconnect instead of exit. tests/tasks/test_redis_full.py checks this.
    Transport.connection_errors += (OutOfMemoryError, ReadOnlyError)

# A Redis that becomes a replica (at a failover) ends a waiting BRPOP with UNBLOCKED. redis-py treats that as an error
# of the command, and the worker would exit. As a ConnectionError it makes the worker reconnect.
# tests/tasks/test_redis_full.py checks this.
BaseParser.EXCEPTION_CLASSES.setdefault("UNBLOCKED", RedisConnectionError)


class _Channel(Channel):
    def _connparams(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Raises ConnectionError if the connection of this channel was closed.

        celery 5.7.0 closes a lost connection before it reconnects. A task that ends afterwards still asks its old
        channel for a Redis client. Kombu reads the address from `connection.client`, and one of the two is None by
        then. The AttributeError would end the worker. tests/tasks/test_app.py checks this.
        """
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the channel's connection to the broker was closed")
        parameters: dict[str, Any] = super()._connparams(*args, **kwargs)  # type: ignore[misc]
        return parameters


# Only this case is handled: any other AttributeError in the consumer is a bug; it ends the worker, and is logged.
Transport.Channel = _Channel

app = Celery("umpire", set_as_current=True)

SETTINGS: dict[str, Any] = {
    # A message is acknowledged only when its request is claimed, so the prefetch below bounds what a worker holds.
    "task_acks_late": True,
    # Fetch only what the threads can take at once: the backlog stays in Redis, where it is durable and visible.
    "worker_prefetch_multiplier": 1,
    # Results are in the ledger and on Kafka; a result backend would be a second source of truth.
    "task_ignore_result": True,
    "result_backend": None,
    # JSON only: a format such as pickle could run code when it is read.
    "task_serializer": "json",
    "accept_content": ["json"],
    # A worker may start before Redis, and survives any outage of Redis.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_pool_acquire_timeout": 2,
    # Flower needs task events. Celery's own are off for our task: tasks/flower_events.py sends one set for each
    # comparison.
    "worker_send_task_events": True,
    # structlog writes the log, Celery's lines included.
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    # Rate limits are kept in Redis (guard/limits.py), shared by all workers; Celery's are per process.
    "worker_disable_rate_limits": True,
    "broker_transport_options": {
        # No list of unacknowledged messages in Redis. It costs two writes a task, each synced to disk before the task
        # may start, and returns a lost message after 15 minutes only. The ledger notices which pointers a dead worker
        # had fetched, and pushes them again within half a minute (lost.lua). That is also more reliable: a
        # message can be lost before it is on that list.
        "ack_emulation": False,
        # The default of 10 drops acknowledgements under load.
        "max_connections": 1000,
        "socket_timeout": 10,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "retry_on_timeout": False,
        # The API pushes into the lists with these names.
        "priority_steps": list(PRIORITY_STEPS),
        "sep": PRIORITY_SEPARATOR,
        "queue_order_strategy": "priority",
    },
}
app.conf.update(SETTINGS)


def broker(settings: RedisSettings) -> dict[str, Any]:
    """Celery's settings for the broker; Flower uses them as well."""
    url, tls = settings.address()
    return {"broker_url": url, "broker_use_ssl": tls or None}
