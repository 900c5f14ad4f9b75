"""What core code tells about itself: one frozen record, and a Protocol for whoever listens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that happened.

    `what` is a dotted name ("call.finished"); `labels` are few and bounded (metrics use them), `fields` are for the
    log line only. Neither ever holds an essay, a prompt or a key. `value` is a duration in seconds, or an amount.
    """

    what: str
    level: Level = "debug"
    labels: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


class Observer(Protocol):
    def __call__(self, note: Note, /) -> None: ...


def silent(note: Note, /) -> None:
    """The null observer."""


class Fanout:
    """Hands each note to several observers."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def __call__(self, note: Note, /) -> None:
        for observer in self._observers:
            observer(note)
