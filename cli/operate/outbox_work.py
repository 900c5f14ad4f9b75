"""The work of the `umpire outbox` commands."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.markup import escape
from rich.table import Column, Table

from cli.console import err, out, show_json
from cli.environment import USAGE
from cli.failure import Failure
from cli.operate.ask_redis import ask_redis
from contracts.clock import iso
from contracts.encoding import dumps, loads
from contracts.settings import Settings
from contracts.topics import COMPARISON_RESULT, TopicPatterns, own_topics
from ledger.outbox import Outbox, OutboxSize
from ledger.outbox.dead_letters import DeadLetter, DeadLetters

T = TypeVar("T")

#: Characters of a queue id.
_ID_CHARS = 36


@dataclass(frozen=True)
class _Ledger:
    outbox: Outbox
    dead: DeadLetters


def list_(settings: Settings, data_dir: Path, limit: int, *, as_json: bool) -> None:
    async def read(ledger: _Ledger) -> tuple[OutboxSize, int, list[DeadLetter]]:
        return await ledger.outbox.size(), await ledger.dead.count(), await ledger.dead.newest(limit)

    left, count, letters = _ask(settings, data_dir, read)
    if as_json:
        counts = {"waiting": left.results, "oldest_waiting_seconds": left.oldest_seconds, "dead": count}
        _json(counts | {"dead_max": settings.kafka.dead_letters_max, "dead_letters": [_facts(one) for one in letters]})
        return
    age = "" if left.oldest_seconds is None else f", the oldest for {left.oldest_seconds:.0f} s"
    out.print(f"{left.results} waiting for Kafka{age}; {count} dead letters")
    if letters:
        # The id is never wrapped, so that it can be copied.
        whole = Column("id", min_width=_ID_CHARS, no_wrap=True)
        folded = [Column(name, overflow="fold") for name in ("refused at", "reason", "topic", "bytes")]
        table = Table(whole, *folded, header_style="bold")
        for one in letters:
            table.add_row(*map(escape, (one.queue_id, iso(one.at), one.reason, one.topic, str(one.size))))
        out.print(table, soft_wrap=False)
    if count > len(letters):
        out.print(f"and {count - len(letters)} older ones (--limit)")


def show(settings: Settings, data_dir: Path, queue_id: str, *, as_json: bool) -> None:
    letter = _ask(settings, data_dir, lambda ledger: ledger.dead.read(queue_id))
    if letter is None:
        raise Failure(f"{queue_id} is no dead letter")
    facts = _facts(letter) | {"key": letter.key, "event": loads(letter.event)}
    if as_json:
        _json(facts)
    else:
        show_json(json.dumps(facts, indent=2, ensure_ascii=False))


def replay(settings: Settings, data_dir: Path, queue_ids: list[str] | None, topic: str | None, *, as_json: bool) -> int:
    """Move dead letters back to the outbox. `queue_ids`: None means all. Raises Failure for a topic not allowed."""
    own_topic = settings.kafka.topic_prefix + COMPARISON_RESULT
    allowed = TopicPatterns(settings.service.callback_topics, never=own_topics(settings.kafka.topic_prefix))
    if topic not in {None, own_topic} and not allowed.allow(topic or ""):
        raise Failure("--topic is not among the topics that results may go to (UMPIRE_CALLBACK_TOPICS)", code=USAGE)

    async def move(ledger: _Ledger) -> tuple[list[str], list[str]]:
        chosen = await ledger.dead.ids() if queue_ids is None else queue_ids
        return chosen, await ledger.dead.replay(chosen, topic)

    chosen, moved = _ask(settings, data_dir, move)
    return _told("replayed", "back in the outbox", chosen, moved, as_json=as_json)


def drop(settings: Settings, data_dir: Path, queue_ids: list[str], *, as_json: bool) -> int:
    dropped = _ask(settings, data_dir, lambda ledger: ledger.dead.drop(queue_ids))
    return _told("dropped", "dropped", queue_ids, dropped, as_json=as_json)


def _told(name: str, words: str, chosen: list[str], done: list[str], *, as_json: bool) -> int:
    unknown = sorted(set(chosen) - set(done))
    if as_json:
        _json({name: done, "unknown": unknown})
    else:
        out.print(f"{len(done)} {words}")
        for queue_id in unknown:
            err.print(f"{queue_id} is no dead letter", markup=False)
    return 1 if unknown else 0


def _facts(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.queue_id,
        "topic": letter.topic,
        "reason": letter.reason,
        "at": iso(letter.at),
        "bytes": letter.size,
    }


def _json(value: dict[str, Any]) -> None:
    show_json(dumps(value))


def _ask(settings: Settings, data_dir: Path, question: Callable[[_Ledger], Awaitable[T]]) -> T:
    limit = settings.kafka.dead_letters_max
    return ask_redis(
        settings, data_dir, lambda redis: question(_Ledger(Outbox(redis, max_dead=limit), DeadLetters(redis)))
    )
