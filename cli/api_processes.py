"""`umpire api --processes N`: uvicorn's supervisor of several processes that share one socket.

It replaces a child that died, or that does not answer its ping. The children are spawned, and load their settings from
the environment as this process did: its keys go through no pipe.
"""

import os
import signal
import socket
from dataclasses import replace
from functools import partial

from fastapi import FastAPI
from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from cli.api import config_of
from cli.console import say
from cli.failure import Failure
from cli.leash import die_with
from cli.metrics import for_a_sibling, shared_metrics
from contracts.settings import Settings, load_settings
from telemetry.logging import configure_logging

#: A child that answers no ping for so long is replaced. It answers once its interpreter is up: on a busy machine, and
#: several at once, that takes seconds.
PING_SECONDS = 20


def serve_many(settings: Settings, server: socket.socket, processes: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises Failure when a child does not start."""
    configure_logging(settings.telemetry, "api.supervisor")
    with shared_metrics(settings) as figures:
        surroundings = for_a_sibling(figures)
        os.environ.clear()  # which the children are started with
        os.environ.update(surroundings)
        make = partial(_application, settings.service.host, os.getpid())
        config = config_of(settings, make, factory=True, workers=processes, timeout_worker_healthcheck=PING_SECONDS)
        supervisor = _Supervisor(config, server)
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise Failure("an API process does not start; the lines above tell why")


class _Supervisor(Multiprocess):
    def __init__(self, config: Config, server: socket.socket) -> None:
        super().__init__(config, [server])
        self._announced = False

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        if not self._announced and all(process.is_ready() for process in self.processes):
            self._announced = True
            say(f"{self.processes_num} API processes on port {self.sockets[0].getsockname()[1]}")

    def handle_hup(self) -> None:
        """The terminal is gone, as for every command of ours. uvicorn would restart the children."""
        self.handle_term()


def _application(host: str, parent: int) -> FastAPI:
    """In a child."""
    from service.app import create_app

    die_with(parent)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal's goes to all; the supervisor acts on it
    settings = load_settings()
    return create_app(replace(settings, service=settings.service.model_copy(update={"host": host})))
