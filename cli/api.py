"""`umpire api`: uvicorn on a socket that is ours before the application is loaded."""

import asyncio
import signal
import socket
from dataclasses import replace

from cli.children import environment, umpire
from cli.console import say
from cli.environment import USAGE
from cli.failure import Failure
from cli.part import Launch, Part
from cli.ports import inherited, listen, url_of
from cli.probe import http_status
from cli.stack import API_SLACK_SECONDS
from cli.supervisor import Group, for_ever, run
from contracts.settings import Settings


def api(settings: Settings, host: str, port: int, processes: int) -> None:
    server = listen_for_callers(settings, host, port)
    if processes == 1:
        serve(settings, server)
    else:
        asyncio.run(_serve_many(settings, server, processes))


def listen_for_callers(settings: Settings, host: str, port: int) -> socket.socket:
    """The API's socket. Raises Failure where it would be open to anybody."""
    server = listen(host, port, setting="--port or UMPIRE_PORT")
    try:
        _bound(settings, server)
    except Failure:
        server.close()
        raise
    return server


def _bound(settings: Settings, server: socket.socket) -> Settings:
    """By the address that it really has; the application is to know that one, too."""
    from contracts.settings import SettingsError
    from service.loopback import check_binding

    host = server.getsockname()[0]
    try:
        check_binding(settings, host)
    except SettingsError as error:
        raise Failure(str(error), code=USAGE) from error
    return replace(settings, service=settings.service.model_copy(update={"host": host}))


def serve_inherited(settings: Settings, descriptor: int) -> None:
    serve(settings, inherited(descriptor))


def serve(settings: Settings, server: socket.socket) -> None:
    """Serve until SIGTERM; what has begun is finished."""
    import uvicorn

    settings = _bound(settings, server)
    from service.app import create_app
    from service.protocol import Protocol

    app = create_app(settings)
    # uvicorn raises the signal again once it has stopped; by then it has been obeyed, and the exit code is 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    grace = int(settings.service.immediate_wait_seconds + API_SLACK_SECONDS / 2)
    config = uvicorn.Config(
        app, loop="uvloop", http=Protocol, log_config=None, access_log=False, server_header=False, lifespan="on",
        proxy_headers=False, ws="none", timeout_graceful_shutdown=grace,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[server])


async def _serve_many(settings: Settings, server: socket.socket, processes: int) -> None:
    """Children that share the socket. Each is replaced when it dies; meanwhile the others take its connections."""

    def launch() -> Launch:
        return Launch(umpire("api", "--descriptor", str(server.fileno())), environment(), (server.fileno(),))

    async def alive() -> bool:
        return await http_status(f"{url_of(server)}/healthz") is not None

    async def announce() -> None:
        server.close()  # the children have it; when they end, the port is free
        say(f"{processes} API processes on port {port}")
        await for_ever()

    port = server.getsockname()[1]
    grace = settings.service.immediate_wait_seconds + API_SLACK_SECONDS
    parts = [Part(f"api-{number}", launch, say, ready=alive, grace=grace) for number in range(1, processes + 1)]
    await run(Group(parts), announce, say)
