"""Results that Kafka has not confirmed (outbox) or has refused for good (dead letters)."""

from ledger.outbox.outbox import Delivered, Entry, Fate, Outbox, Undelivered, Waiting

__all__ = ["Delivered", "Entry", "Fate", "Outbox", "Undelivered", "Waiting"]
