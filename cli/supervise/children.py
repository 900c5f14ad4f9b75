"""What the processes under one supervisor get from it: command line, environment, and a metrics directory and port."""

import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli.supervise.ports import listen, url_of
from contracts.settings import Settings
from contracts.settings.base import PREFIX

_DIRECTORY, _PORT = "UMPIRE_METRICS_DIRECTORY", "UMPIRE_METRICS_PORT"
_ROOT = Path(__file__).resolve().parents[2]


def python_module(module: str, *arguments: str) -> list[str]:
    """`python -m module`, with -P so that it does not import a foreign `tasks/` from the current directory."""
    safe = [] if Path.cwd() == _ROOT else ["-P"]
    return [sys.executable, *safe, "-m", module, *arguments]


def umpire(*arguments: str) -> list[str]:
    return python_module("cli.main", *arguments)


def bare_environment() -> Mapping[str, str]:
    """The environment of third-party servers: without UMPIRE_ settings, which hold keys."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


@contextmanager
def shared_metrics(settings: Settings) -> Iterator[Path]:
    """The metrics directory of all children, from the settings or temporary. Serves UMPIRE_METRICS_PORT if it is set.

    Raises Failure if the port is taken.
    """
    with tempfile.TemporaryDirectory(prefix="umpire-metrics-") as temporary:
        directory = settings.telemetry.metrics_directory or Path(temporary)
        serve_port(settings, directory)
        yield directory


def serve_port(settings: Settings, directory: Path) -> str | None:
    """Serve the metrics of all processes of the directory at UMPIRE_METRICS_PORT. Returns the URL; None: not set."""
    if settings.telemetry.metrics_port is None:
        return None
    from telemetry.metrics.endpoint import serve_on
    from telemetry.metrics.metrics import Metrics

    server = listen_for_scrapes(settings, settings.telemetry.metrics_port)
    serve_on(Metrics(directory=directory), server)
    return metrics_url(server)


def listen_for_scrapes(settings: Settings, port: int) -> socket.socket:
    """A listening socket for Prometheus. Raises Failure if the port is taken."""
    return listen(settings.telemetry.metrics_host, port, setting=_PORT)


def metrics_url(server: socket.socket) -> str:
    return f"{url_of(server)}/metrics"


def child_environment(directory: Path, **extra: str) -> dict[str, str]:
    """The environment of a child: its metrics go into `directory`, and the supervisor's port is removed."""
    variables = {**os.environ, "PYTHONUNBUFFERED": "1", _DIRECTORY: str(directory.resolve()), **extra}
    variables.pop(_PORT, None)
    return variables
