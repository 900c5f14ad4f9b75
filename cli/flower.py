"""`umpire flower`: Flower on the same Celery settings as the workers, behind a password, and looking only.

Run in this process and not through Flower's own command, so that neither the password nor the broker's URL stands on
a command line, and so that a supervisor can hand its socket down.
"""

import logging
import os
import signal
import socket
from typing import NoReturn

from cli.environment import USAGE
from cli.failure import Failure
from contracts.queues import queue_name
from contracts.settings import Settings

#: Comparisons that Flower remembers, a few KB each.
_MAX_TASKS = 20_000
_INSPECT_MS = 2_000.0
#: How often its loop leaves a sign of life for /healthz of the metrics port.
_ALIVE_MS = 1_000.0

#: Bytes of a request. Flower only shows; what is larger is not read into memory, whoever sends it.
_MAX_BODY = 100_000


def check(settings: Settings) -> str:
    """The `user:password`. Raises Failure when there is none: without one, Flower shows everything to everybody."""
    auth = settings.flower.flower_basic_auth
    if auth is None:
        raise Failure("UMPIRE_FLOWER_BASIC_AUTH is not set; Flower starts only with one (user:password)", code=USAGE)
    user, colon, password = auth.get_secret_value().partition(":")
    if not (user and colon and password):
        raise Failure("UMPIRE_FLOWER_BASIC_AUTH must have the form user:password", code=USAGE)
    if not auth.get_secret_value().isascii():  # Flower cannot compare any other
        raise Failure("UMPIRE_FLOWER_BASIC_AUTH must be ASCII", code=USAGE)
    return auth.get_secret_value()


def flower(settings: Settings, server: socket.socket, scraped: socket.socket | None = None) -> None:
    """`scraped`: the socket of its metrics port, if it has one."""
    from flower.app import Flower
    from flower.options import default_options
    from flower.urls import settings as tornado_settings
    from tornado.httpserver import HTTPServer

    from cli.flower_door import Door
    from cli.flower_views import HANDLERS
    from tasks.app import app as celery
    from tasks.app import broker
    from telemetry.logging import configure_logging

    celery.conf.update(broker(settings.redis))
    password = check(settings)
    queues = [queue_name(provider) for provider in settings.enabled]
    default_options.basic_auth = [password]
    default_options.max_tasks = _MAX_TASKS
    default_options.persistent = False
    # A task that is revoked, or sent, behind the ledger's back would break its promises.
    default_options.read_only = True
    default_options.inspect_timeout = _INSPECT_MS
    # Worker names are new at each start; those that are gone need not stay.
    default_options.purge_offline_workers = 3600
    configure_logging(settings.telemetry, "flower")
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    prefix = settings.flower.flower_url_prefix.strip("/")
    if prefix:
        default_options.url_prefix = prefix
        for name in ("login_url", "static_url_prefix"):  # as Flower's own command does
            tornado_settings[name] = f"/{prefix}{tornado_settings[name]}"
    application = Flower(capp=celery, options=default_options, umpire_queues=queues, **tornado_settings)  # type: ignore[no-untyped-call]
    below = f"/{prefix}" if prefix else ""
    application.add_handlers(r".*", [(below + path, page) for path, page in HANDLERS])
    HTTPServer(Door(application, password, below), max_body_size=_MAX_BODY).add_sockets([server])
    if scraped is not None:
        _serve_metrics(scraped)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    application.start()  # type: ignore[no-untyped-call]


def _serve_metrics(scraped: socket.socket) -> None:
    """Flower's own counts of tasks and workers, as its /metrics behind the password has them, and its process'."""
    from tornado.ioloop import PeriodicCallback

    from telemetry.endpoint import serve_on
    from telemetry.library import LibraryMetrics

    metrics = LibraryMetrics("flower-1")
    PeriodicCallback(metrics.alive, _ALIVE_MS).start()
    serve_on(metrics, scraped)


def _leave(*_: object) -> NoReturn:
    """At once: Flower keeps nothing, and its threads would wait for a broker that may be gone."""
    os._exit(0)
