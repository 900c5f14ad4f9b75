"""`umpire keys`: makes, lists and revokes API keys. Changes take effect with the next request."""

from pathlib import Path
from typing import Annotated

import typer

from cli.environment import DEFAULT_DATA, read_settings
from contracts.enums import ProcessingMode

keys_app = typer.Typer(help="API keys: who may call, and how much.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]
DataDir = Annotated[Path, typer.Option(help="Data directory of the `umpire up` to ask.")]


@keys_app.command()
def create(
    name: Annotated[str | None, typer.Option(help="What you call it, e.g. whose it is.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may do (repeatable); without it, everything but a provider's test."),
    ] = None,
    topics: Annotated[
        list[str] | None,
        typer.Option(help="Pattern (* and ?) of the callback topics it may name (repeatable); without it, any."),
    ] = None,
    rate: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="Requests a minute.")] = None,
    max_queued: Annotated[
        int | None, typer.Option(min=1, max=10_000_000, help="Comparisons that may be unfinished at a time.")
    ] = None,
    daily_cost: Annotated[float | None, typer.Option(help="US dollars a day, from midnight UTC.")] = None,
    processing_mode: Annotated[
        ProcessingMode | None,
        typer.Option(
            help="How its requests that name no mode are answered; `queue`: 202 at once, for clients that take "
            "nothing else. Without it, UMPIRE_DEFAULT_PROCESSING_MODE."
        ),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Make a key and print it. It is shown this once: only its hash is kept."""
    settings = read_settings()
    from cli.operate import keys_work

    wanted = keys_work.KeyOptions.of(name, scope, topics, rate, max_queued, daily_cost, processing_mode)
    keys_work.create(settings, data_dir, wanted, as_json=as_json)


@keys_app.command("list")
def list_(as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA) -> None:
    """All keys, never their secrets: limits, unfinished comparisons, and what they spent today."""
    settings = read_settings()
    from cli.operate import keys_work

    keys_work.list_(settings, data_dir, as_json=as_json)


@keys_app.command()
def revoke(
    keys: Annotated[list[str], typer.Argument(metavar="ID…", help="Ids, as `umpire keys list` has them.")],
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Refuse these keys from now on. What they submitted is still judged. Exit code 1: some id is no key's."""
    settings = read_settings()
    from cli.operate import keys_work

    raise typer.Exit(keys_work.revoke(settings, data_dir, keys, as_json=as_json))
