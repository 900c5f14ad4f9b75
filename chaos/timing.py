"""The durations of a run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds that a run uses instead of the defaults, so that it takes minutes and not hours."""

    lease: float = 8.0
    attempt: float = 16.0
    deadline: float = 54.0
    drain: float = 60.0
    recovery: float = 5.0
    immediate_wait: float = 10.0
    delivery: float = 10.0
    resend: float = 12.0
    lost_pointer: float = 5.0
    hold_probe: float = 5.0
    key_rejected: float = 20.0
    """How long a provider's key is rejected."""
    spell: float = 10.0
    """About how long the upstream misbehaves."""
    pauses: tuple[float, float] = (2.0, 9.0)
    """Shortest and longest pause between two faults. Mostly shorter than a recovery, so that faults overlap."""

    def settings(self) -> dict[str, str]:
        return {
            "UMPIRE_TEST_LEASE_SECONDS": str(self.lease),
            "UMPIRE_TEST_ATTEMPT_TIMEOUT_SECONDS": str(self.attempt),
            "UMPIRE_CALL_DEADLINE_SECONDS": str(self.deadline),
            "UMPIRE_DRAIN_SECONDS": str(self.drain),
            "UMPIRE_BREAKER_RECOVERY_SECONDS": str(self.recovery),
            "UMPIRE_IMMEDIATE_WAIT_SECONDS": str(self.immediate_wait),
            "UMPIRE_KAFKA_DELIVERY_TIMEOUT_SECONDS": str(self.delivery),
            "UMPIRE_TEST_OUTBOX_RESEND_SECONDS": str(self.resend),
            "UMPIRE_TEST_LOST_POINTER_SECONDS": str(self.lost_pointer),
            "UMPIRE_TEST_DEFER_SECONDS": "1,3,6",
            "UMPIRE_HOLD_PROBE_SECONDS": str(self.hold_probe),
        }


#: For CI.
QUICK = Timing(
    lease=4.0,
    attempt=10.0,
    deadline=34.0,
    drain=40.0,
    immediate_wait=5.0,
    delivery=4.0,
    resend=5.0,
    hold_probe=2.0,
    key_rejected=8.0,
    spell=5.0,
    pauses=(0.5, 3.0),
)
