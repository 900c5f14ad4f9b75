"""The work of the `umpire outbox` commands."""

import json
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from rich.markup import escape
from rich.table import Column, Table

from cli.console import out, report_ids, show_json
from cli.failure import USAGE, Failure
from cli.operate.ask_redis import ask_redis
from cli.options import read_settings
from cli.visible import visible_json
from contracts.clock import iso
from contracts.encoding import loads
from contracts.topics import COMPARISON_RESULT, TopicPatterns, own_topics
from ledger.outbox import Outbox, OutboxSize
from ledger.outbox.dead_letters import DeadLetter, DeadLetters

#: Characters of a queue id.
_ID_CHARS = 36


def list_(data_dir: Path, limit: int, *, as_json: bool) -> None:
    most = read_settings().kafka.dead_letters_max

    async def read(redis: Redis) -> tuple[OutboxSize, int, list[DeadLetter]]:
        dead = DeadLetters(redis)
        waiting = await Outbox(redis, max_dead=most).size()
        return waiting, await dead.count(), await dead.newest(limit)

    waiting, count, letters = ask_redis(data_dir, read)
    if as_json:
        sizes = {"waiting": waiting.results, "oldest_waiting_seconds": waiting.oldest_seconds, "dead": count}
        show_json(sizes | {"dead_max": most, "dead_letters": [_fields(one) for one in letters]})
        return
    age = "" if waiting.oldest_seconds is None else f", the oldest for {waiting.oldest_seconds:.0f} s"
    out.print(f"{waiting.results} waiting for Kafka{age}; {count} dead letters")
    if letters:
        # The id is never wrapped, so that it can be copied.
        whole = Column("id", min_width=_ID_CHARS, no_wrap=True)
        folded = [Column(name, overflow="fold") for name in ("refused at", "reason", "topic", "bytes")]
        table = Table(whole, *folded, header_style="bold")
        for one in letters:
            table.add_row(*map(escape, (one.queue_id, iso(one.at), one.reason, one.topic, str(one.size))))
        out.print(table, soft_wrap=False)
    if count > len(letters):
        out.print(f"and {count - len(letters)} older ones; --limit shows more")


def show(data_dir: Path, queue_id: str, *, as_json: bool) -> None:
    letter = ask_redis(data_dir, lambda redis: DeadLetters(redis).read(queue_id))
    if letter is None:
        raise Failure(f"{queue_id} is no dead letter; `umpire outbox list` shows them")
    fields = _fields(letter) | {"key": letter.key, "event": loads(letter.event)}
    if as_json:
        show_json(fields)
    else:
        print(visible_json(json.dumps(fields, indent=2, ensure_ascii=False)))  # noqa: T201


def replay(data_dir: Path, queue_ids: list[str] | None, topic: str | None, *, as_json: bool) -> int:
    """Move dead letters back to the outbox. `queue_ids`: None means all. Raises Failure for a topic not allowed."""
    settings = read_settings()
    own_topic = settings.kafka.topic_prefix + COMPARISON_RESULT
    allowed = TopicPatterns(settings.service.callback_topics, never=own_topics(settings.kafka.topic_prefix))
    if topic not in {None, own_topic} and not allowed.allow(topic or ""):
        raise Failure("--topic: results may not be sent to this topic (UMPIRE_CALLBACK_TOPICS)", code=USAGE)

    async def move(redis: Redis) -> tuple[list[str], list[str]]:
        dead = DeadLetters(redis)
        chosen = await dead.ids() if queue_ids is None else queue_ids
        return chosen, await dead.replay(chosen, topic)

    chosen, moved = ask_redis(data_dir, move)
    return report_ids("replayed", moved, chosen, "is no dead letter", as_json=as_json, hint=": back in the outbox")


def drop(data_dir: Path, queue_ids: list[str], *, as_json: bool) -> int:
    dropped = ask_redis(data_dir, lambda redis: DeadLetters(redis).drop(queue_ids))
    return report_ids("dropped", dropped, queue_ids, "is no dead letter", as_json=as_json)


def _fields(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.queue_id,
        "topic": letter.topic,
        "reason": letter.reason,
        "at": iso(letter.at),
        "bytes": letter.size,
    }
