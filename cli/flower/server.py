"""`umpire flower`: Flower with the workers' Celery settings, behind a password and read-only.

It runs in this process and not by Flower's own command, so that neither the password nor the broker's URL appears on a
command line, and so that a supervisor can pass on its socket.
"""

import logging
import os
import signal
import socket
from typing import NoReturn

from cli.failure import USAGE, Failure
from contracts.queues import queue_name
from contracts.settings import Settings

#: Most comparisons that Flower remembers, at a few KB each.
_MAX_TASKS = 20_000
_INSPECT_MS = 2_000.0
#: Most bytes of a request. Flower is read-only here, so larger bodies are never needed, and are not read into memory.
_MAX_BODY = 100_000


def check(settings: Settings) -> str:
    """The setting `user:password`. Raises Failure if it is missing: without it Flower would be open to everybody."""
    auth = settings.flower.flower_basic_auth
    if auth is None:
        raise Failure("UMPIRE_FLOWER_BASIC_AUTH is not set; set it to user:password", code=USAGE)
    user, colon, password = auth.get_secret_value().partition(":")
    if not (user and colon and password):
        raise Failure("UMPIRE_FLOWER_BASIC_AUTH must have the form user:password", code=USAGE)
    if not auth.get_secret_value().isascii():  # Flower cannot compare any other
        raise Failure("UMPIRE_FLOWER_BASIC_AUTH must be ASCII", code=USAGE)
    return auth.get_secret_value()


def flower(settings: Settings, server: socket.socket, scraped: socket.socket | None = None) -> None:
    """Serve Flower until a signal. `scraped`: the socket of its metrics port, if it has one."""
    from flower.app import Flower
    from flower.options import default_options
    from flower.urls import settings as tornado_settings
    from tornado.httpserver import HTTPServer

    from cli.flower.pages import HANDLERS, PasswordCheck
    from tasks.app import app as celery
    from tasks.app import broker
    from telemetry.logging import configure_logging

    celery.conf.update(broker(settings.redis))
    password = check(settings)
    queues = [queue_name(provider) for provider in settings.enabled]
    default_options.basic_auth = [password]
    default_options.max_tasks = _MAX_TASKS
    default_options.persistent = False
    # If Flower revoked or sent tasks, the ledger would not know of it and its guarantees would break.
    default_options.read_only = True
    default_options.inspect_timeout = _INSPECT_MS
    # Workers have new names at each start, so the old names are removed.
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
    HTTPServer(PasswordCheck(application, password, below), max_body_size=_MAX_BODY).add_sockets([server])
    if scraped is not None:
        from cli.flower.metrics import serve_metrics

        serve_metrics(scraped)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    application.start()  # type: ignore[no-untyped-call]


def _leave(*_: object) -> NoReturn:
    """Exit at once: Flower has nothing to save, and its threads would wait for a broker that may be gone."""
    os._exit(0)
