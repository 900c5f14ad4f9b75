"""`umpire up`: runs the embedded stack until a signal stops it."""

import asyncio
import json
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from rich.markup import escape

from cli.console import say, show
from cli.failure import Failure
from cli.options import DEFAULT_DATA
from cli.serve.api import listen_for_callers
from cli.stack.data_directory import STACK_FILE, DataDirectory
from cli.stack.stack import Stack
from cli.supervise.files import PUBLIC, write_atomically
from cli.supervise.ports import listen
from cli.supervise.supervisor import for_ever, run
from contracts.settings import Settings

_AUTH = {
    "off": "off: everybody on this machine may call the API, nobody else can   (UMPIRE_AUTH=keys)",
    "keys": "by API key   (umpire keys create)",
}


def up(settings: Settings, path: Path, port: int, flower_port: int, targets_file: Path | None = None) -> None:
    began = time.monotonic()
    api = listen_for_callers(settings, settings.service.host, port)
    flower = listen(settings.flower.flower_host, flower_port, setting="--flower-port or UMPIRE_FLOWER_PORT")
    with DataDirectory(path) as directory, _metrics_targets(targets_file) as write_targets:
        stack = Stack(settings, directory, api, flower, say)

        async def stay() -> None:
            write_targets(stack.scraped)
            _welcome(stack, settings, path, time.monotonic() - began)
            await for_ever()

        say(f"starting in {path} (logs in {path / 'logs'})")
        asyncio.run(run(stack, stay, say))
    say("stopped")


@contextmanager
def _metrics_targets(path: Path | None) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """A function that writes URLs by part into the file, as Prometheus' file_sd reads it. Raises Failure if it cannot.

    The file is first written without targets, to detect an unwritable path early. At the end it is deleted: Prometheus
    then drops the targets, so that an intended stop does not count as an outage.
    """
    if path is None:
        yield lambda _: None
        return
    path = path.absolute()

    def write(urls: Mapping[str, str]) -> None:
        targets = {part: urlsplit(url) for part, url in urls.items()}
        groups = [
            {"targets": [url.netloc], "labels": {"part": part, "__metrics_path__": url.path}}
            for part, url in targets.items()
        ]
        try:
            write_atomically(path, json.dumps(groups, indent=2) + "\n", mode=PUBLIC)
        except OSError as error:
            raise Failure(f"{path} cannot be written ({error.strerror}); see --metrics-targets") from error

    write({})
    try:
        yield write
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _welcome(stack: Stack, settings: Settings, path: Path, seconds: float) -> None:
    # With --data-dir if the stack is not in the default data directory, so that the command works as printed.
    data = "" if path.resolve() == DEFAULT_DATA.resolve() else f" --data-dir {shlex.quote(str(path))}"
    show(f"[green]ready[/green]   after {seconds:.1f} s; Ctrl-C stops everything")
    for name, value in {
        "api": f"{stack.api_url}/api/v1   (try: umpire compare A.txt B.txt{data})",
        "flower": f"{stack.flower_url}   (user and password: flower_auth in {path / STACK_FILE})",
        "redis": stack.redis_url.rpartition("@")[2].removeprefix("redis://"),  # without the password
        "kafka": stack.kafka_bootstrap,
        "metrics": "   ".join(stack.metrics_urls),
        "workers": ", ".join(provider.value for provider in settings.enabled),
        "auth": _AUTH[settings.service.auth],
    }.items():
        show(f"  [bold]{name:8}[/bold]{escape(value)}")
    if settings.service.auth == "keys" and stack.kafka_is_embedded:
        show(
            "[bold red]kafka[/bold red]   the embedded broker asks for no password: every user of this machine can "
            "read and write all results on it; set UMPIRE_KAFKA_BOOTSTRAP where callers must be kept apart"
        )
    if settings.development.record_responses:
        where = escape(str(settings.development.record_directory.resolve()))
        show(f"[bold red]recording[/bold red]  every prompt and answer is written to {where}; for development only")
