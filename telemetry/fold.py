"""Folds many notes with one cause into one log line."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from telemetry.observer import Note, Observer


@dataclass
class Fold:
    """Counts notes by their name, until `close` sends one note with the counts.

    Each note still goes to the observer, at level debug: metrics count it, and a log at level debug has it.
    """

    #: Name of the one note.
    what: str
    labels: Mapping[str, str]
    #: Name of an added note → field of the one note with its count.
    counted_as: Mapping[str, str]
    observer: Observer
    _counts: Counter[str] = field(default_factory=Counter)

    def add(self, note: Note) -> None:
        self._counts[note.what] += 1
        self.observer(replace(note, level="debug"))

    def close(self) -> None:
        """Send the one note, if any note was added since the last call."""
        counts, self._counts = self._counts, Counter()
        if counts:
            fields = {field: counts[what] for what, field in self.counted_as.items()}
            self.observer(Note(self.what, "info", self.labels, fields=fields))
