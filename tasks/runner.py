"""Runs each claim of a worker process in a slot, then completes, fails, defers or releases its request."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from typing import TypeVar

from redis.exceptions import RedisError

from contracts.enums import QueueEvent, QueueStatus
from contracts.errors import AnswerError, InternalError, UmpireError, is_permanent
from events.ending import failure_of
from events.result import Judgement, Spent
from guard.deferral import DeferralPolicy, next_deferral
from guard.prefetch import PrefetchingLimiter
from guard.retry import MAX_ANSWERS
from ledger.claims import Claimed, Claims, Lease, Release
from ledger.completion import CompletedBy
from ledger.parked import PARKED_SECONDS
from ledger.redis.transient import is_transient
from tasks.claim import NotNow, Probe
from tasks.gatekeeper import Gatekeeper
from tasks.hook import ResultHook
from tasks.judge import Judge
from tasks.permission import Permission
from tasks.rows import Rows
from tasks.slots import Slots
from telemetry.fault import fault
from telemetry.observer import Note, Observer

T = TypeVar("T")

#: Seconds to wait before a pointer is pushed back because the gate is closed: the consumer may not have stopped yet.
BREATH_SECONDS = 0.5

#: Waits between attempts to write while the ledger is unavailable: first and longest, in seconds.
LEDGER_RETRY_SECONDS = (0.1, 2.0)

#: Attempts to write if Redis answers with an error that does not pass, such as a key of the wrong type.
LASTING_FAULT_TRIES = 5


class Runner:
    def __init__(
        self,
        *,
        claims: Claims,
        slots: Slots,
        judge: Judge,
        hook: ResultHook,
        gatekeeper: Gatekeeper,
        rows: Rows,
        ahead: PrefetchingLimiter,
        permission: Permission,
        deferral: DeferralPolicy,
        take_along: int,
        observer: Observer,
    ) -> None:
        self._claims = claims
        self._slots = slots
        self._judge = judge
        self._hook = hook
        self._gatekeeper = gatekeeper
        self._rows = rows
        self._ahead = ahead
        self._permission = permission
        self._deferral = deferral
        self._take_along = take_along
        self._observer = observer
        self._random = random.Random()
        self._running: dict[asyncio.Task[None], Lease] = {}
        self._held: set[str] = set()
        #: One claim at a time: slots that fall free during one are filled together by the next.
        self._claiming = asyncio.Lock()
        #: Tasks whose lease was lost, since this process stood still or was disconnected for too long.
        self._lost: set[asyncio.Task[None]] = set()
        self.stopping = False

    @property
    def leased(self) -> list[Lease]:
        return list(self._running.values())

    @property
    def held(self) -> list[str]:
        """Queue ids of pointers that were taken off the broker and wait for a slot here."""
        return list(self._held)

    def lose(self, leases: Collection[Lease]) -> None:
        """The heartbeat found that this process no longer holds these leases: none of their calls may start."""
        self._lost |= {task for task, lease in self._running.items() if lease in leases}

    def _holds(self, task: "asyncio.Task[None] | None", lease: Lease) -> bool:
        return task not in self._lost and self._claims.is_fresh(lease)

    async def take(self, queue_id: str, priority: int) -> None:
        """The body of the Celery task: wait for a slot, then claim the request, and more while slots are free."""
        self._held.add(queue_id)
        try:
            async with self._claiming:
                free = await self._slots.take(self._take_along)
                if free and self._gatekeeper.open:
                    await self._claim(queue_id, free)
                    return
            self._slots.give(free)
            # The consumer stops soon; until then it must not fetch the same pointer over and over.
            await asyncio.sleep(BREATH_SECONDS)
            await self._claims.push_again(queue_id, priority)
        finally:
            self._held.discard(queue_id)

    async def probe(self, probe: Probe) -> None:
        """Run one request of the backlog although the gate is closed."""
        free = await self._slots.take(1)
        if not free:
            return
        await asyncio.gather(*await self._claim(None, free, probe=probe))

    async def _claim(self, queue_id: str | None, slots: int, *, probe: Probe | None = None) -> list[asyncio.Task[None]]:
        claimed: list[Claimed] = []
        piggyback = self._ahead.ask() if not self._running else None
        try:
            # Repeated while the ledger is full or read-only: the task must not end before its request was claimed.
            claimed = await self._persist(
                lambda: self._claims.claim(queue_id, more=slots - (queue_id is not None), piggyback=piggyback),
                unless_stopping=True,
            )
        finally:
            self._slots.give(slots - len(claimed))
            if not claimed:
                self._ahead.drop()
        self._rows.received([str(c.stored.queue_id) for c in claimed])
        return [self._start(c, probe) for c in claimed]

    def _start(self, claimed: Claimed, probe: Probe | None) -> asyncio.Task[None]:
        task = asyncio.create_task(self._run(claimed, probe))
        # Keyed by task: a request whose lease lapsed may be claimed again here while its first claim still runs.
        self._running[task] = claimed.lease
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._lost.discard(task)
        self._slots.give(1)
        if not self._running:
            self._ahead.drop()  # in case no call used the reservation

    async def _run(self, claimed: Claimed, probe: Probe | None) -> None:
        """The outermost function of one comparison: an error in it must not affect other comparisons."""
        stored = claimed.stored
        labels = {"provider": stored.provider.value}
        self._observer(Note("comparison.claimed", labels=labels, value=claimed.waited))
        self._hook.status(stored, QueueStatus.PROCESSING, QueueEvent.PROCESSING, claimed.tries)
        started = time.monotonic()
        try:
            with self._hook.bound(stored):
                result = await self._judge_and_settle(claimed, probe)
        except Exception as error:  # noqa: BLE001 - outermost of one comparison: before its call, or where even its error could not be told; the lease lapses
            self._tell_fault(claimed, error)
            result = QueueStatus.FAILED.value
        seconds = time.monotonic() - started
        self._observer(Note("comparison.finished", "debug", {**labels, "status": result.split(":")[0]}, seconds))
        self._tell_row(str(stored.queue_id), result, seconds)

    def _tell_fault(self, claimed: Claimed, error: Exception) -> None:
        fields = {**fault(error), "queue_id": str(claimed.stored.queue_id)}
        self._observer(Note("error.unexpected", "error", labels={"where": "runner"}, fields=fields))

    def _tell_row(self, queue_id: str, result: str, seconds: float) -> None:
        status = result.partition(":")[0]
        if status == QueueStatus.COMPLETED:
            self._rows.succeeded(queue_id, result, seconds)
        elif status == QueueStatus.FAILED:
            self._rows.failed(queue_id, result)
        else:
            self._rows.retried(queue_id, result)

    async def _judge_and_settle(self, claimed: Claimed, probe: Probe | None) -> str:
        """Returns the outcome for Flower: completed, failed, deferred or returned; all but the first are followed by
        the error's code or the reason, and the number of attempts.
        """
        stored = claimed.stored
        spent = Spent.read(claimed.spent)
        refused = self._permission.refusal(claimed)
        if refused is not None:
            return await self._fail(claimed, Judgement(model=stored.model, spent=spent, error=refused), refused)
        try:
            holds = partial(self._holds, asyncio.current_task(), claimed.lease)
            judgement = await self._judge.judge(stored, spent, probe=probe, holds=holds)
        except NotNow as reason:
            if reason.seconds:
                await self._gatekeeper.pause(reason.seconds)
            if reason.reason == "model_hold":
                return await self._park(claimed, reason.spent)
            return await self._give_back(claimed, reason.reason, front=reason.spent == spent, spent=reason.spent)
        try:
            return await self._settle(claimed, judgement)
        except Exception as error:  # noqa: BLE001 - what was paid must not be paid again, whatever is wrong with it
            self._tell_fault(claimed, error)
            return await self._fail_by_fault(claimed, judgement)

    async def _fail_by_fault(self, claimed: Claimed, judgement: Judgement) -> str:
        """Fail the request with an error event that can be built, whatever is wrong with its verdict or figures."""
        fault_of_ours = InternalError("the comparison failed by a fault of the service")
        try:
            return await self._fail(claimed, judgement.failed(fault_of_ours), fault_of_ours)
        except Exception as error:  # noqa: BLE001 - an event that cannot be built would be paid again and again
            self._tell_fault(claimed, error)
            return await self._fail(claimed, judgement.without_sums(fault_of_ours), fault_of_ours)

    async def _settle(self, claimed: Claimed, judgement: Judgement) -> str:
        error = judgement.error
        if error is None:
            await self._finish(claimed, judgement, QueueStatus.COMPLETED, CompletedBy.ANY)
            return QueueStatus.COMPLETED.value
        again = await self._again(claimed, judgement, error)
        return await self._fail(claimed, judgement, error) if again is None else again

    async def _fail(self, claimed: Claimed, judgement: Judgement, error: UmpireError) -> str:
        await self._finish(claimed, judgement, QueueStatus.FAILED, CompletedBy.HOLDER)
        return f"{QueueStatus.FAILED.value}: {error.code.value}, attempt {judgement.spent.attempts}"

    async def _again(self, claimed: Claimed, judgement: Judgement, error: UmpireError) -> str | None:
        """Release or defer the request if another claim may help. None: it ends here."""
        answered = isinstance(error, AnswerError)
        if is_permanent(error) or (answered and judgement.spent.answers >= MAX_ANSWERS):
            return None
        if self.stopping:
            return await self._give_back(claimed, "stopping", front=True, spent=judgement.spent)
        if answered:
            return None
        if shut := self._gatekeeper.shut:
            # An outage costs no try. To the back of the queue, lest a request that breaks its provider be every probe.
            return await self._give_back(claimed, shut, front=False, spent=judgement.spent)
        if error.retry_after is not None and error.retry_after > self._judge.retry_after_max:
            await self._gatekeeper.pause(error.retry_after)
        delay = next_deferral(claimed.tries, self._deferral, self._random, retry_after=error.retry_after)
        return None if delay is None else await self._defer(claimed, judgement, error, delay)

    async def _finish(self, claimed: Claimed, judgement: Judgement, state: QueueStatus, by: CompletedBy) -> None:
        ending, headers = self._hook.ending(claimed.stored, judgement, state, by)
        forbidden = not self._permission.publishes(claimed)
        ending = replace(ending, fencing_token=claimed.fencing_token, claimed=claimed.claimed, forbidden=forbidden)
        entry_id = await self._persist(lambda: self._claims.finish(ending))
        if entry_id is None:
            # The request was ended elsewhere: that result stands, and this one is not published.
            self._observer(Note("lease.lost", "warning", labels={"provider": claimed.stored.provider.value}))
            return
        self._hook.publish(entry_id, ending, headers)
        if note := failure_of(claimed.stored, judgement, state):
            self._observer(note)
        self._judge.completed(claimed.stored, judgement)
        self._hook.ended(claimed.stored, judgement, state, claimed.tries)

    async def _defer(self, claimed: Claimed, judgement: Judgement, error: UmpireError, delay: float) -> str:
        spent = judgement.spent.model_dump_json().encode()
        await self._persist(
            lambda: self._claims.release(
                [Release(claimed.stored, delay=delay, counts=True, spent=spent, fencing_token=claimed.fencing_token)]
            )
        )
        labels = {"provider": claimed.stored.provider.value, "error_code": error.code.value}
        self._observer(Note("comparison.deferred", "info", labels, delay))
        self._hook.status(claimed.stored, QueueStatus.QUEUED, QueueEvent.QUEUED, claimed.tries + 1, error)
        return f"deferred: {error.code.value}, attempt {judgement.spent.attempts}"

    async def _give_back(self, claimed: Claimed, reason: str, *, front: bool, spent: Spent) -> str:
        kept = spent.model_dump_json().encode()
        await self._persist(
            lambda: self._claims.release(
                [Release(claimed.stored, front=front, spent=kept, fencing_token=claimed.fencing_token)]
            )
        )
        labels = {"provider": claimed.stored.provider.value, "reason": reason}
        note = Note("comparison.returned", "info", labels)
        if reason == "breaker":
            self._gatekeeper.note(note)
        else:
            self._observer(note)
        return _returned(reason, spent)

    async def _park(self, claimed: Claimed, spent: Spent) -> str:
        """The model is on hold: defer the request without a try, so that the queue goes on with other models."""
        kept, model = spent.model_dump_json().encode(), claimed.stored.model
        parked = Release(
            claimed.stored, delay=PARKED_SECONDS, spent=kept, fencing_token=claimed.fencing_token, parked=model
        )
        await self._persist(lambda: self._claims.release([parked]))
        labels = {"provider": claimed.stored.provider.value, "reason": "model_hold"}
        self._observer(Note("comparison.returned", "info", labels))
        return _returned("model_hold", spent)

    async def _persist(self, write: Callable[[], Awaitable[T]], *, unless_stopping: bool = False) -> T:
        """Write to the ledger, and repeat it until it succeeds: a paid verdict must not be lost. If Redis answers with
        an error that does not pass, raises it after LASTING_FAULT_TRIES attempts.

        `unless_stopping`: nothing can be lost yet, so a process that is stopping raises the error at once.
        """
        wait, longest = LEDGER_RETRY_SECONDS
        lasting = 0
        while True:
            try:
                return await write()
            except (RedisError, OSError) as error:
                lasting += not is_transient(error)
                if (unless_stopping and self.stopping) or lasting >= LASTING_FAULT_TRIES:
                    raise
                self._observer(Note("ledger.unwritten", "warning", fields={"error": type(error).__name__}))
                await asyncio.sleep(wait)
                wait = min(wait * 2, longest)

    def stop(self) -> None:
        """Take no more requests, and end all waits at once."""
        self.stopping = True
        self._judge.stop()
        self._slots.close()

    async def drain(self, seconds: float) -> int:
        """After `stop`: let the calls in flight finish. Returns how many did not within `seconds`."""
        if self._running:
            await asyncio.wait(list(self._running), timeout=seconds)
        return len(self._running)


def _returned(reason: str, spent: Spent) -> str:
    """The outcome of a release, with the error of the last attempt, which may be an earlier claim's."""
    after = f" after {spent.last_error}" if spent.last_error else ""
    return f"returned: {reason}{after}, attempt {spent.attempts}"
