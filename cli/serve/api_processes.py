"""`umpire api --processes N`: uvicorn's supervisor of several processes that share one socket.

It replaces a child that died or does not answer its ping. The children are spawned and load their settings from the
environment, as this process did, so that no key is sent through a pipe.
"""

import json
import os
import signal
import socket
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from cli.console import say
from cli.failure import Failure
from cli.serve.api import config_of
from cli.supervise.children import child_environment, shared_metrics
from cli.supervise.files import write_atomically
from cli.supervise.parent_death import die_with_parent
from contracts.settings import Settings, load_settings
from telemetry.logging import configure_logging

#: Seconds after which a child that does not answer pings is replaced. It answers once its interpreter has started,
#: which takes seconds when several start at once on a busy machine.
PING_SECONDS = 20


def serve_many(settings: Settings, server: socket.socket, processes: int, pids_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raises Failure when a child does not start.

    `pids_file`: receives the children's process ids once all of them are ready.
    """
    configure_logging(settings.telemetry, "api.supervisor")
    with shared_metrics(settings) as metrics:
        variables = child_environment(metrics)
        os.environ.clear()  # the children inherit os.environ
        os.environ.update(variables)
        make = partial(_application, settings.service.host, os.getpid())
        config = config_of(settings, make, factory=True, workers=processes, timeout_worker_healthcheck=PING_SECONDS)
        supervisor = _Supervisor(config, server, pids_file)
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise Failure("an API process does not start; see the lines above for the reason")


class _Supervisor(Multiprocess):
    def __init__(self, config: Config, server: socket.socket, pids_file: Path | None) -> None:
        super().__init__(config, [server])
        self._pids_file = pids_file
        self._written: list[int] = []
        self._announced = False

    def keep_subprocess_alive(self) -> None:
        """Called by uvicorn twice a second."""
        super().keep_subprocess_alive()
        if not self._announced and all(process.is_ready() for process in self.processes):
            self._announced = True
            say(f"{self.processes_num} API processes on port {self.sockets[0].getsockname()[1]}")
        pids = [process.pid for process in self.processes if process.pid]
        if self._announced and self._pids_file is not None and pids != self._written:
            with suppress(OSError):  # such as a full disk; the next call tries again
                write_atomically(self._pids_file, json.dumps(pids))
                self._written = pids

    def handle_hup(self) -> None:
        """Stop when the terminal closes, like all our commands. uvicorn would restart the children instead."""
        self.handle_term()


def _application(host: str, parent: int) -> FastAPI:
    """The application, made in a child process."""
    from service.app import create_app

    die_with_parent(parent)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal signals all its processes; the supervisor reacts
    settings = load_settings()
    return create_app(replace(settings, service=settings.service.model_copy(update={"host": host})))
