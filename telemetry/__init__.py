"""Logs, metrics and traces behind one small observer, so that no core file imports a metrics or logging library."""

from telemetry.observer import Note, Observer, silent

__all__ = ["Note", "Observer", "silent"]
