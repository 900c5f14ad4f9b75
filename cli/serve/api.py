"""`umpire api`: runs uvicorn on a socket that is bound before the application is loaded."""

import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.failure import USAGE, Failure
from cli.supervise.children import listen_for_scrapes
from cli.supervise.ports import listen
from contracts.settings import Settings

if TYPE_CHECKING:
    from uvicorn import Config

#: Seconds that the API may take to stop, in addition to the longest wait of a client.
API_SLACK_SECONDS = 10.0


def listen_for_callers(settings: Settings, host: str, port: int) -> socket.socket:
    """The API's listening socket. Raises Failure if the address would let anybody in without an API key."""
    server = listen(host, port, setting="--port or UMPIRE_PORT")
    _bound(settings, server)
    return server


def _bound(settings: Settings, server: socket.socket) -> Settings:
    """The settings with the address that the socket really has. Raises Failure if the address is not allowed."""
    from contracts.settings import SettingsError
    from web.local_only import check_binding

    host = server.getsockname()[0]
    try:
        check_binding(settings, host)
    except SettingsError as error:
        raise Failure(str(error), code=USAGE) from error
    return replace(settings, service=settings.service.model_copy(update={"host": host}))


def serve(settings: Settings, server: socket.socket, processes: int = 1, pids_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT; requests in progress are finished.

    `pids_file`: receives the ids of several processes; see api_processes.py.
    """
    settings = _bound(settings, server)
    if processes > 1:
        from cli.serve.api_processes import serve_many

        serve_many(settings, server, processes, pids_file)
        return
    import uvicorn

    from service.app import create_app
    from telemetry.metrics.endpoint import serve_on
    from telemetry.process import start_telemetry

    observer, metrics = start_telemetry(settings.telemetry, "api")
    if settings.telemetry.metrics_port is not None:
        serve_on(metrics, listen_for_scrapes(settings, settings.telemetry.metrics_port))
    app = create_app(settings, (observer, metrics))
    # uvicorn raises the signal again after it has stopped. It must then be ignored, so that the exit code is 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    uvicorn.Server(config_of(settings, app)).run(sockets=[server])


def config_of(settings: Settings, app: Any, **more: Any) -> "Config":
    import uvicorn

    grace = int(settings.service.immediate_wait_seconds + API_SLACK_SECONDS / 2)
    return uvicorn.Config(
        app, loop="uvloop", http="web.connection.protocol:Protocol", log_config=None, access_log=False,
        server_header=False, lifespan="on", proxy_headers=False, ws="none", timeout_graceful_shutdown=grace, **more,
    )  # fmt: skip
