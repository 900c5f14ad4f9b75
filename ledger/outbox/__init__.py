"""Results that Kafka has not confirmed (outbox) or has refused for good (dead letters)."""

from ledger.outbox.outbox import Delivered, Disposition, Entry, Outbox, OutboxSize, Undelivered

__all__ = ["Delivered", "Disposition", "Entry", "Outbox", "OutboxSize", "Undelivered"]
