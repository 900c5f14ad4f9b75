"""The work of `umpire redeliver`."""

import re
import shlex
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from redis.asyncio import Redis

from cli.console import err, out, report_ids, show_json
from cli.failure import USAGE, Failure
from cli.operate.ask_redis import ask_redis
from cli.operate.holds import duration
from cli.operate.keys_work import id_of_key
from cli.options import DEFAULT_DATA
from contracts.settings import Settings
from ledger.outbox.bulk import BulkRedelivery, Selection
from ledger.outbox.kept import KeptResults

#: Exit code of a command that Ctrl-C ended.
_INTERRUPTED = 130

#: Seconds between two lines of progress: on a terminal, and elsewhere.
_EVERY = (1.0, 10.0)

_ROW = re.compile(r"\d{1,20}-\d{1,20}")


class Options(NamedTuple):
    """The options with --since, as they were given."""

    since: str
    topic: str | None
    key: str | None
    after: str | None


@dataclass
class _Progress:
    """Prints how far a run is, to stderr."""

    next_line: float

    @classmethod
    def begin(cls) -> "_Progress":
        return cls(time.monotonic() + cls.every())

    @staticmethod
    def every() -> float:
        return _EVERY[0] if err.is_terminal else _EVERY[1]

    def __call__(self, bulk: BulkRedelivery) -> None:
        if time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + self.every()
            waits = "; waiting, since too many results have not reached Kafka yet" if bulk.waits_for_kafka else ""
            err.print(f"{_counts(bulk)}{waits}", markup=False)


def of_ids(settings: Settings, data_dir: Path, named: list[str], *, dry_run: bool, as_json: bool) -> int:
    queue_ids = list(dict.fromkeys(_queue_id(one) for one in named))
    bulk = _run(settings, data_dir, dry_run, lambda bulk, _: bulk.of_ids(queue_ids))
    if bulk is None:
        return _INTERRUPTED
    what = "redelivered" if not dry_run else "would_redeliver" if as_json else "would be redelivered"
    return report_ids(what, bulk.redelivered, queue_ids, "has no result that is kept", as_json=as_json)


def of_time(settings: Settings, data_dir: Path, options: Options, *, dry_run: bool, as_json: bool) -> int:
    seconds = duration(options.since, "--since")
    if options.after is not None and not _ROW.fullmatch(options.after):
        raise Failure("--after: a row such as 1764450000000-0, as a stopped run prints it", code=USAGE)
    owner = None if options.key is None else id_of_key(options.key)

    async def run(bulk: BulkRedelivery, redis: Redis) -> None:
        now, _ = await redis.time()
        until = (int(now) + 1) * 1000
        bulk.after = options.after
        since = max(0, until - int(seconds * 1000))
        await bulk.of_time(Selection(since, until, options.topic, owner))

    bulk = _run(settings, data_dir, dry_run, run, _continuing(options, data_dir))
    if bulk is None:
        return _INTERRUPTED
    if as_json:
        done = "would_redeliver" if dry_run else "redelivered"
        show_json({done: len(bulk.redelivered), "expired": len(bulk.missing), "topics": dict(bulk.topics)})
        return 0
    out.print(_counts(bulk), markup=False)
    for topic, count in bulk.topics.most_common():
        out.print(f"  {count:>8}  {topic}", markup=False)
    if not settings.ledger.results_keep_seconds and not bulk.redelivered:
        err.print("these settings keep no results (UMPIRE_RESULTS_KEEP_SECONDS is 0)", markup=False)
    return 0


def _run(
    settings: Settings,
    data_dir: Path,
    dry_run: bool,
    work: Callable[[BulkRedelivery, Redis], Awaitable[None]],
    continuing: Callable[[BulkRedelivery], str] = lambda _: "",
) -> BulkRedelivery | None:
    """None if Ctrl-C ended it. If it ends early, prints the counts, and what `continuing` returns."""
    bulk: BulkRedelivery | None = None

    async def query(redis: Redis) -> None:
        nonlocal bulk
        bulk = BulkRedelivery(KeptResults(redis, settings.ledger), dry_run=dry_run, progress=_Progress.begin())
        await work(bulk, redis)

    def stopped() -> None:
        if bulk is not None:
            err.print(f"stopped: {_counts(bulk)}{continuing(bulk)}", markup=False)

    try:
        ask_redis(data_dir, query)
    except KeyboardInterrupt:
        stopped()
        return None
    except Failure:
        stopped()
        raise
    return bulk


def _counts(bulk: BulkRedelivery) -> str:
    what = "would be redelivered" if bulk.dry_run else "redelivered"
    gone = f", {len(bulk.missing)} not kept any more" if bulk.missing else ""
    return f"{len(bulk.redelivered)} {what}{gone}"


def _continuing(options: Options, data_dir: Path) -> Callable[[BulkRedelivery], str]:
    def command(bulk: BulkRedelivery) -> str:
        after = bulk.after or options.after
        words = ["umpire", "redeliver", "--since", options.since]
        for name, value in (("--topic", options.topic), ("--key", options.key), ("--after", after)):
            words += [name, value] if value is not None else []
        words += [] if data_dir.resolve() == DEFAULT_DATA.resolve() else ["--data-dir", str(data_dir)]
        return f"; to continue: {shlex.join(words)}"

    return command


def _queue_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise Failure(f"{text!r} is no queue id", code=USAGE) from None
