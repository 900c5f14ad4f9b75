"""`umpire redeliver`: publishes kept results again."""

from typing import Annotated

import typer

from cli.failure import USAGE, Failure
from cli.options import DEFAULT_DATA, AsJson, DataDir, read_settings


def redeliver(
    queue_ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID…", help="Queue ids of comparisons that have ended.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Instead of ids: all results of this time until now, such as 30m, 1h or 2d."),
    ] = None,
    topic: Annotated[str | None, typer.Option(help="With --since: only results of this callback topic.")] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="With --since: only results of the API key with this id.")
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(metavar="ROW", help="With --since: continue behind this row, which a stopped run printed."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only count the results that would be published again.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Publish results on their callback topics again: the same bytes and event_id, and the header `redelivery`.

    Results are kept for UMPIRE_RESULTS_KEEP_SECONDS. 500 a second are published, fewer while Kafka does not take them.
    No provider is called. Exit code 1: a result is not kept; 130: stopped by Ctrl-C.
    """
    if bool(queue_ids) == (since is not None):
        raise Failure("give either queue ids or --since; see `umpire redeliver --help`", code=USAGE)
    if queue_ids and (topic is not None or key is not None or after is not None):
        raise Failure("--topic, --key and --after need --since", code=USAGE)
    settings = read_settings()
    from cli.operate import redeliver_work

    if since is None:
        code = redeliver_work.of_ids(settings, data_dir, queue_ids or [], dry_run=dry_run, as_json=as_json)
    else:
        options = redeliver_work.Options(since, topic, key, after)
        code = redeliver_work.of_time(settings, data_dir, options, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(code)
