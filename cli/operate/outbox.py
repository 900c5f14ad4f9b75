"""`umpire outbox`: results that Kafka has not confirmed yet, and dead letters, which it refused for good."""

from pathlib import Path
from typing import Annotated

import typer

from cli.environment import DEFAULT_DATA, USAGE, read_settings
from cli.failure import Failure

outbox_app = typer.Typer(help="Results that Kafka has not taken, and the dead letters.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Ids of dead letters (queue ids).")]
AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]
DataDir = Annotated[Path, typer.Option(help="Data directory of the `umpire up` to ask.")]


@outbox_app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="Dead letters to show, the newest first.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """How many results wait, and the dead letters, without their events."""
    settings = read_settings()
    from cli.operate import outbox_work

    outbox_work.list_(settings, data_dir, limit, as_json=as_json)


@outbox_app.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="Id of a dead letter (its queue id).")],
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """One dead letter and its event. The event holds the justification: text about the essays."""
    settings = read_settings()
    from cli.operate import outbox_work

    outbox_work.show(settings, data_dir, letter, as_json=as_json)


@outbox_app.command()
def replay(
    letters: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    topic: Annotated[str | None, typer.Option(help="To this topic instead.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Put dead letters back into the outbox, to be sent at once. Exit code 1: some id is no dead letter."""
    if bool(letters) == every:
        raise Failure("name the dead letters to replay, or --all", code=USAGE)
    settings = read_settings()
    from cli.operate import outbox_work

    raise typer.Exit(outbox_work.replay(settings, data_dir, letters, topic, as_json=as_json))


@outbox_app.command()
def drop(
    letters: Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of dead letters (queue ids).")],
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Delete dead letters: their results will never be delivered. Exit code 1: some id is no dead letter."""
    settings = read_settings()
    from cli.operate import outbox_work

    raise typer.Exit(outbox_work.drop(settings, data_dir, letters, as_json=as_json))
