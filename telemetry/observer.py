"""How core code reports what it does: one frozen record, and a Protocol for its observers."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from telemetry.fault import fault

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
    """Hands each note to several observers. If one of them raises, the others get a note of it and the caller sees
    nothing, since a fault of telemetry must not end a request or a duty.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def __call__(self, note: Note, /) -> None:
        for observer in self._observers:
            try:
                observer(note)
            except Exception as error:  # noqa: BLE001 - outermost: counted and logged by the other observers
                fault_note = Note("error.unexpected", "error", labels={"where": "observer"}, fields=fault(error))
                for other in self._observers:
                    if other is not observer:
                        with suppress(Exception):
                            other(fault_note)
