"""`umpire up`: runs the embedded stack until a signal stops it."""

import asyncio
import shlex
import time
from pathlib import Path

from rich.markup import escape

from cli.console import say, show
from cli.environment import DEFAULT_DATA
from cli.serve.api import listen_for_callers
from cli.stack.data_directory import STACK_FILE, DataDirectory
from cli.stack.metrics_targets import kept
from cli.stack.stack import Stack
from cli.supervise.ports import listen
from cli.supervise.supervisor import for_ever, run
from contracts.settings import Settings

_AUTH = {
    "off": "off: anybody on this machine may call the API, nobody else can   (UMPIRE_AUTH=keys)",
    "keys": "by API key   (umpire keys create)",
}


def up(settings: Settings, path: Path, port: int, flower_port: int, metrics_targets: Path | None = None) -> None:
    began = time.monotonic()
    api = listen_for_callers(settings, settings.service.host, port)
    flower = listen(settings.flower.flower_host, flower_port, setting="--flower-port or UMPIRE_FLOWER_PORT")
    with DataDirectory(path) as directory, kept(metrics_targets) as targets:
        stack = Stack(settings, directory, api, flower, say)

        async def stay() -> None:
            if targets is not None:
                targets.write(stack.scraped)
            _welcome(stack, settings, path, time.monotonic() - began)
            await for_ever()

        say(f"starting in {path} (logs in {path / 'logs'})")
        asyncio.run(run(stack, stay, say))
    say("stopped")


def _hint(path: Path) -> str:
    """A command to try that works as printed: with --data-dir if the stack is not in the default data directory."""
    data = "" if path.resolve() == DEFAULT_DATA.resolve() else f" --data-dir {shlex.quote(str(path))}"
    return f"umpire compare A.txt B.txt{data}"


def _welcome(stack: Stack, settings: Settings, path: Path, seconds: float) -> None:
    providers = ", ".join(provider.value for provider in settings.enabled)
    show(f"[green]ready[/green]   after {seconds:.1f} s; Ctrl-C stops everything")
    for name, what in (
        ("api", f"{stack.api_url}/api/v1   (try: {_hint(path)})"),
        ("flower", f"{stack.flower_url}   (user and password: flower_auth in {path / STACK_FILE})"),
        ("redis", stack.redis_address),
        ("kafka", stack.kafka_bootstrap),
        ("metrics", "   ".join(stack.metrics_urls)),
        ("workers", providers),
        ("auth", _AUTH[settings.service.auth]),
    ):
        show(f"  [bold]{name:8}[/bold]{escape(what)}")
    if settings.service.auth == "keys" and stack.kafka_is_embedded:
        show(
            "[bold red]kafka[/bold red]   the embedded broker asks for no password: every user of this machine can "
            "read and write all results on it; set UMPIRE_KAFKA_BOOTSTRAP where callers must be kept apart"
        )
    development = settings.development
    if development.record_responses:
        where = escape(str(development.record_directory.resolve()))
        show(f"[bold red]recording[/bold red]  every prompt and answer is written to {where}; for development only")
