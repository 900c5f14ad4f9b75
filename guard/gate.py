"""The gate of a provider: closed while its breaker is not closed, while it is on hold, or while it asked for a pause.

Workers stop consuming while it is closed; the backlog waits in Redis. After a pause, each process opens its gate at a
different time, and slots and rate limits restrict the calls that follow.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import duration_ms
from contracts.enums import CircuitState, LLMProviderType
from guard.arguments import PauseHead
from guard.availability import ProviderAvailability, read_all
from guard.hold import Hold
from ledger.scripts import Script
from telemetry.observer import Note, Observer, silent

#: Longest pause that a provider can ask for, in seconds: it is called again at least this often.
MAX_PAUSE_SECONDS = 3600.0

#: Processes open their gates within this share of the pause after its end …
SPREAD = 0.1

#: … and within this, in ms.
MAX_SPREAD_MS = 1000


@dataclass(frozen=True, slots=True)
class GateState:
    """`open`: workers may consume. `probe_due`: the breaker or the hold waits for a probe: see Breaker.lease_probe and
    Holds.lease_probe.

    `retry_after`: seconds until time alone may make one of them true.
    """

    open: bool
    probe_due: bool
    state: CircuitState
    retry_after: float | None
    hold: Hold | None = None
    held_models: Mapping[str, Hold] = field(default_factory=dict)
    last_error: str = ""


class Gate:
    """One provider's gate, as one worker process sees it."""

    def __init__(self, redis: Redis, provider: LLMProviderType, observer: Observer = silent) -> None:
        self._redis = redis
        self._pause = Script(redis, "pause", package="guard")
        self._provider = provider
        self._observer = observer
        self._lateness = random.random()

    async def pause(self, seconds: float) -> None:
        """The provider asked for a pause of `seconds`, or a limit is used up that long. The pause that ends last holds.

        Never raises: if Redis does not answer, "gate.unreported" is noted; the provider's next answer asks again.
        """
        length = duration_ms(min(seconds, MAX_PAUSE_SECONDS))
        if length <= 0:
            return
        labels = {"provider": self._provider.value}
        try:
            left = await self._pause(*PauseHead(self._provider.value, length, MAX_SPREAD_MS))
        except RedisError as error:
            self._observer(Note("gate.unreported", "warning", labels, fields={"error": type(error).__name__}))
            return
        self._observer(Note("gate.paused", "info", labels, left / 1000))

    async def read(self) -> GateState:
        """The gate's present state. Raises Unavailable if Redis does not answer."""
        (found,) = await read_all(self._redis, (self._provider,))
        return gate_state(found, self._lateness)


def gate_state(found: ProviderAvailability, lateness: float) -> GateState:
    """The gate's state for one process. `lateness`, from 0 to 1: how late it opens its gate after a pause."""
    late = lateness * min(SPREAD * found.pause_length, MAX_SPREAD_MS)
    paused = max(0.0, found.pause_end + late - found.now)
    probe_in, hold = found.probe_in, found.hold
    # If breaker and hold both wait for a probe, one call is the probe of both. A manual hold is never probed.
    if hold is not None:
        probe_in = None if hold.probe_in is None else max(hold.probe_in, probe_in or 0)
    wait = max(paused, probe_in or 0)
    return GateState(
        open=found.probe_in is None and hold is None and not paused,
        probe_due=probe_in == 0 and not found.paused_for,
        state=found.state,
        retry_after=wait / 1000 if wait else None,
        hold=hold,
        held_models=found.held_models,
        last_error=found.last_error_code or "",
    )
