"""What Redis holds of providers' breakers and pauses at one moment of its clock."""

from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.enums import CircuitState, LLMProviderType
from contracts.errors import Unavailable
from guard import keys

_FIELDS = ("state", "since", "until", "owner", "lease", "last_success", "last_failure", "failures", "average")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Times in ms of Redis' clock; 0: never. `now` is when it was taken."""

    now: int
    state: CircuitState = CircuitState.CLOSED
    since: int = 0
    #: Before it, an open breaker lets nothing through.
    opens: int = 0
    #: End of the probe's lease.
    leased_until: int = 0
    last_success: int = 0
    last_failure: int = 0
    failures: int = 0
    average: float | None = None
    pause_end: int = 0
    pause_length: int = 0

    @property
    def paused_for(self) -> int:
        """How long the pause still lasts; 0: there is none."""
        return max(0, self.pause_end - self.now)

    @property
    def probe_in(self) -> int | None:
        """How long until a probe may start (0: now); None: the breaker is closed."""
        if self.state is CircuitState.CLOSED:
            return None
        return max(0, self.opens - self.now, self.leased_until - self.now)


async def snapshots(redis: Redis, providers: Sequence[LLMProviderType]) -> list[Snapshot]:
    """One for each provider, in order, in one round trip.

    Raises
    ------
    Unavailable
        Redis does not answer.
    """
    pipeline = redis.pipeline(transaction=False)
    pipeline.time()
    for provider in providers:
        pipeline.hmget(keys.breaker(provider), _FIELDS)
        pipeline.get(keys.gate(provider))
    try:
        (seconds, micros), *replies = await pipeline.execute()
    except RedisError as error:
        raise Unavailable("the circuit breakers cannot be read") from error
    now = seconds * 1000 + micros // 1000
    return [_snapshot(now, breaker, gate) for breaker, gate in zip(replies[::2], replies[1::2], strict=True)]


def _snapshot(now: int, breaker: list[bytes | None], gate: bytes | None) -> Snapshot:
    state, since, opens, owner, lease, last_success, last_failure, failures, average = breaker
    pause_end, pause_length = (int(part) for part in gate.split()) if gate else (0, 0)
    return Snapshot(
        now=now,
        state=CircuitState(state.decode()) if state else CircuitState.CLOSED,
        since=int(since or 0),
        opens=int(opens or 0),
        leased_until=int(lease or 0) if owner else 0,
        last_success=int(last_success or 0),
        last_failure=int(last_failure or 0),
        failures=int(failures or 0),
        average=float(average) if average else None,
        pause_end=pause_end,
        pause_length=pause_length,
    )
