"""LLMCostAlertV1: an API key has spent a share of its daily cost limit. One alert for each key, day and share; an alert
that Kafka does not take is sent again, with the same event id.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid5

from redis.exceptions import RedisError

from contracts.clock import utcnow
from contracts.events import LLMCostAlertV1
from events.lifecycle import Lifecycle
from ledger.spend import SpendThresholds, ThresholdCrossed
from telemetry.observer import Note, Observer
from telemetry.outage import Outage

#: Seconds between two checks.
PERIOD_SECONDS = 2.0

#: UUID namespace of the alerts' event ids.
_NAMESPACE = UUID("a4a4ce2c-9d55-5d0c-8b1e-3d7b2d1f6c52")


@dataclass(eq=False)
class CostAlerts:
    spending: SpendThresholds
    lifecycle: Lifecycle
    in_charge: Callable[[], bool]
    observer: Observer

    def __post_init__(self) -> None:
        #: Alerts that were dropped and must be sent again. Also appended to from the producer's thread.
        self._dropped: list[ThresholdCrossed] = []
        #: Alerts already logged: while Kafka is unavailable, each check finds the same ones again.
        self._logged: set[tuple[date, str, Decimal]] = set()

    async def watch(self) -> None:
        """Call `run_once` every PERIOD_SECONDS while this process is in charge. Never returns."""
        outage = Outage()
        while True:
            if self.in_charge():
                try:
                    await self.run_once()
                    outage.succeeded()
                except (RedisError, OSError) as error:
                    fields = {"error": type(error).__name__}
                    self.observer(Note("alerts.hindered", outage.failure_level(), fields=fields))
            await asyncio.sleep(PERIOD_SECONDS)

    async def run_once(self) -> None:
        dropped, self._dropped = self._dropped, []
        try:
            await self.spending.unmark(dropped)
        except BaseException:
            self._dropped += dropped
            raise
        oldest = utcnow().date() - timedelta(days=1)
        self._logged = {mark for mark in self._logged if mark[0] >= oldest}
        for one in await self.spending.newly_crossed():
            self._send(one)

    def _send(self, one: ThresholdCrossed) -> None:
        fields = {"key_id": one.key_id, "key_name": one.name, "share": float(one.share)}
        mark = (one.day, one.key_id, one.share)
        if mark not in self._logged:
            self._logged.add(mark)
            self.observer(Note("cost.limit_near" if one.share < 1 else "cost.limit_reached", "warning", fields=fields))
        event = LLMCostAlertV1(
            alert_type="daily_limit",
            current_cost=float(one.spent),
            threshold=float(one.limit * one.share),
            period=one.day.isoformat(),
            metadata={**fields, "limit": float(one.limit)},
        )
        event_id = uuid5(_NAMESPACE, f"{one.key_id} {one.day} {one.share}")
        self.lifecycle.send(event, event_id=event_id, dropped=lambda: self._dropped.append(one))
