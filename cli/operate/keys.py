"""`umpire keys`: makes, lists and revokes API keys. Changes take effect with the next request."""

from typing import Annotated

import typer

from cli.options import DEFAULT_DATA, AsJson, DataDir
from contracts.enums import ProcessingMode

keys_app = typer.Typer(help="Make, list and revoke API keys and their limits.", no_args_is_help=True)


@keys_app.command()
def create(
    name: Annotated[str | None, typer.Option(help="A name for your own use, such as its owner's.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="A permission (repeatable): comparisons:submit, comparisons:cancel, models:read, providers:read or "
            "providers:test. Without it: all but providers:test, which costs money."
        ),
    ] = None,
    topics: Annotated[
        list[str] | None,
        typer.Option(help="Pattern (* and ?) of callback topics that it may use (repeatable). Without it: any."),
    ] = None,
    rate: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Most requests a minute. Without it: no limit.")
    ] = None,
    max_queued: Annotated[
        int | None, typer.Option(min=1, max=10_000_000, help="Most unfinished comparisons. Without it: no limit.")
    ] = None,
    daily_cost: Annotated[
        float | None, typer.Option(help="Most US dollars a day, from midnight UTC. Without it: no limit.")
    ] = None,
    processing_mode: Annotated[
        ProcessingMode | None,
        typer.Option(
            help="How its requests that name no mode are answered. `queue`: always 202, for clients that do not read "
            "a verdict from the answer. Without it: UMPIRE_DEFAULT_PROCESSING_MODE."
        ),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Make an API key and print it. Store it now: it cannot be shown again, since only its hash is kept."""
    from cli.operate import keys_work

    limits = {"rate": rate, "max_queued": max_queued, "daily_cost": daily_cost, "processing_mode": processing_mode}
    keys_work.create(data_dir, name, scope, topics, as_json=as_json, **limits)


@keys_app.command("list")
def list_(as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA) -> None:
    """Show all keys with their limits, unfinished comparisons and today's cost. Their secrets are never shown."""
    from cli.operate import keys_work

    keys_work.list_(data_dir, as_json=as_json)


@keys_app.command()
def revoke(
    keys: Annotated[list[str], typer.Argument(metavar="ID…", help="Key ids, as `umpire keys list` shows them.")],
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Refuse all further requests with these keys. Comparisons that they have submitted are still judged.

    A whole key is accepted as well as its id. Exit code 1: an id belongs to no key.
    """
    from cli.operate import keys_work

    raise typer.Exit(keys_work.revoke(data_dir, keys, as_json=as_json))
