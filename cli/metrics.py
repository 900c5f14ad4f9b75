"""The metrics of several processes under one supervisor: their directory, and its port."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.children import environment
from cli.failure import Failure
from contracts.settings import Settings

_DIRECTORY, _PORT = "UMPIRE_METRICS_DIRECTORY", "UMPIRE_METRICS_PORT"


@contextmanager
def shared_metrics(settings: Settings) -> Iterator[Path]:
    """The directory for all children: that of the settings, or one that goes with this process. Its port is served.

    Raises Failure where the port is taken.
    """
    named = settings.telemetry.metrics_directory
    with tempfile.TemporaryDirectory(prefix="umpire-metrics-") as own:
        directory = named or Path(own)
        serve_port(settings, directory)
        yield directory


def serve_port(settings: Settings, directory: Path) -> str | None:
    """The URL of UMPIRE_METRICS_PORT, where it is set, which tells all processes of the directory."""
    telemetry = settings.telemetry
    if telemetry.metrics_port is None:
        return None
    from telemetry.endpoint import serve
    from telemetry.metrics import Metrics

    try:
        port = serve(Metrics(directory=directory), telemetry.metrics_host, telemetry.metrics_port)
    except OSError as error:
        where = f"port {telemetry.metrics_port} of {telemetry.metrics_host}"
        raise Failure(f"{where} cannot be used ({error.strerror}); choose another with {_PORT}") from error
    host = "127.0.0.1" if telemetry.metrics_host == "0.0.0.0" else telemetry.metrics_host  # noqa: S104 - compared
    return f"http://{host}:{port}/metrics"


def for_a_sibling(directory: Path, **extra: str) -> dict[str, str]:
    """The environment of a child: its figures go into the directory, and the port is its supervisor's."""
    ours = environment(**{_DIRECTORY: str(directory.resolve())}, **extra)
    ours.pop(_PORT, None)
    return ours
