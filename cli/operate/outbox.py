"""`umpire outbox`: results that Kafka has not confirmed yet, and dead letters, which Kafka refused for good."""

from typing import Annotated

import typer

from cli.failure import USAGE, Failure
from cli.options import DEFAULT_DATA, AsJson, DataDir

outbox_app = typer.Typer(help="Show, resend or delete results that did not reach Kafka.", no_args_is_help=True)

_IDS = "Queue ids of dead letters, as `umpire outbox list` shows them."


@outbox_app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="Number of dead letters to show, the newest first.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Show how many results wait for Kafka, and the dead letters: results that Kafka refused for good.

    The events themselves are not shown; see `umpire outbox show`.
    """
    from cli.operate import outbox_work

    outbox_work.list_(data_dir, limit, as_json=as_json)


@outbox_app.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="Queue id of the dead letter.")],
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Show one dead letter with its event. The event contains the justification, which quotes the essays."""
    from cli.operate import outbox_work

    outbox_work.show(data_dir, letter, as_json=as_json)


@outbox_app.command()
def replay(
    letters: Annotated[list[str] | None, typer.Argument(metavar="ID…", help=_IDS)] = None,
    every: Annotated[bool, typer.Option("--all", help="Replay all dead letters.")] = False,
    topic: Annotated[str | None, typer.Option(help="Send them to this topic instead of their own.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Send dead letters to Kafka again. First remove the cause, such as a missing topic or permission.

    They return to the outbox and are sent within seconds. Exit code 1: an id is no dead letter.
    """
    if bool(letters) == every:
        raise Failure("give either the ids of the dead letters or --all; `umpire outbox list` shows them", code=USAGE)
    from cli.operate import outbox_work

    raise typer.Exit(outbox_work.replay(data_dir, letters, topic, as_json=as_json))


@outbox_app.command()
def drop(
    letters: Annotated[list[str], typer.Argument(metavar="ID…", help=_IDS)],
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Delete dead letters for good. Their results will never reach Kafka. Exit code 1: an id is no dead letter."""
    from cli.operate import outbox_work

    raise typer.Exit(outbox_work.drop(data_dir, letters, as_json=as_json))
