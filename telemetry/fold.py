"""Folds many notes with one cause into one log line."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from telemetry.observer import Note, Observer


class Fold:
    """Counts notes by their name, until `close` sends one note with the counts.

    Each note still goes to the observer, at level debug: metrics count it, and a log at level debug has it.
    """

    def __init__(self, what: str, labels: Mapping[str, str], counted_as: Mapping[str, str], observer: Observer) -> None:
        """`what`: name of the one note. `counted_as`: name of an added note → field of the one note with its count."""
        self._what = what
        self._labels = labels
        self._counted_as = counted_as
        self._observer = observer
        self._counts: Counter[str] = Counter()

    def add(self, note: Note) -> None:
        self._counts[note.what] += 1
        self._observer(replace(note, level="debug"))

    def close(self) -> None:
        """Send the one note, if any note was added since the last call."""
        counts, self._counts = self._counts, Counter()
        if counts:
            fields = {field: counts[what] for what, field in self._counted_as.items()}
            self._observer(Note(self._what, "info", self._labels, fields=fields))
