"""What a worker process does with its claims: run each in a slot, and end, defer or give back what comes of it."""

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
from guard.ahead import Ahead
from guard.deferral import DeferralPolicy, next_deferral
from guard.retry import MAX_ANSWERS
from ledger.claims import Claimed, Claims, Lease, Return, Who
from ledger.parked import PARKED_SECONDS
from ledger.passing import passes
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

#: A given-back request is not seen again by a worker whose gate is not closed yet before this, in seconds.
BREATH_SECONDS = 0.5

#: Waits between tries to write to a ledger that does not answer: first and longest, in seconds.
LEDGER_RETRY_SECONDS = (0.1, 2.0)

#: Tries to write where Redis answers with a fault that does not pass by itself, such as a key of the wrong type.
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
        ahead: Ahead,
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
        #: One claim at a time: the slots that fall free while one is out are filled together by the next.
        self._claiming = asyncio.Lock()
        #: Whose leases others hold by now, for this process stood still or was cut off for too long.
        self._lost: set[asyncio.Task[None]] = set()
        self.stopping = False

    @property
    def leased(self) -> list[Lease]:
        return list(self._running.values())

    @property
    def held(self) -> list[str]:
        """Pointers taken off the broker whose requests wait for a slot here."""
        return list(self._held)

    def lose(self, leases: Collection[Lease]) -> None:
        """The heartbeat was told that these are no longer ours: no call of theirs may start."""
        self._lost |= {task for task, lease in self._running.items() if lease in leases}

    def _holds(self, task: "asyncio.Task[None] | None", lease: Lease) -> bool:
        return task not in self._lost and self._claims.is_fresh(lease)

    async def take(self, queue_id: str, priority: int) -> None:
        """The body of the Celery task: wait for a slot, claim the request, and others as far as slots are free."""
        self._held.add(queue_id)
        try:
            async with self._claiming:
                free = await self._slots.take(self._take_along)
                if free and self._gatekeeper.open:
                    await self._claim(queue_id, free)
                    return
            self._slots.give(free)
            # The consumer stops within a moment; until then the same pointer must not spin through it.
            await asyncio.sleep(BREATH_SECONDS)
            await self._claims.push_again(queue_id, priority)
        finally:
            self._held.discard(queue_id)

    async def probe(self, probe: Probe) -> None:
        """Run one request of the backlog past the closed gate."""
        free = await self._slots.take(1)
        if not free:
            return
        await asyncio.gather(*await self._claim(None, free, probe=probe))

    async def _claim(self, queue_id: str | None, slots: int, *, probe: Probe | None = None) -> list[asyncio.Task[None]]:
        claimed: list[Claimed] = []
        beside = self._ahead.ask() if not self._running else None
        try:
            # A ledger that is full or read-only is waited for: the task must not end before.
            claimed = await self._persist(
                lambda: self._claims.claim(queue_id, more=slots - (queue_id is not None), beside=beside),
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
        # By the task: a request whose lease lapsed may be claimed again here while its first claim still runs.
        self._running[task] = claimed.lease
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._lost.discard(task)
        self._slots.give(1)
        if not self._running:
            self._ahead.drop()  # where its call never came to that

    async def _run(self, claimed: Claimed, probe: Probe | None) -> None:
        """A process' outermost loop for one comparison: nothing that happens to it may touch another."""
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
        """Returns what became of it, for Flower: completed, failed, deferred or returned; but for the first with the
        error's code and the number of attempts.
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
        """End it with an error event that can be built, whatever is wrong with its verdict, its tokens or its cost."""
        fault_of_ours = InternalError("the comparison failed by a fault of the service")
        try:
            return await self._fail(claimed, judgement.failed(fault_of_ours), fault_of_ours)
        except Exception as error:  # noqa: BLE001 - an event that cannot be built would be paid again and again
            self._tell_fault(claimed, error)
            return await self._fail(claimed, judgement.without_sums(fault_of_ours), fault_of_ours)

    async def _settle(self, claimed: Claimed, judgement: Judgement) -> str:
        error = judgement.error
        if error is None:
            await self._finish(claimed, judgement, QueueStatus.COMPLETED, Who.ANY)
            return QueueStatus.COMPLETED.value
        again = await self._again(claimed, judgement, error)
        return await self._fail(claimed, judgement, error) if again is None else again

    async def _fail(self, claimed: Claimed, judgement: Judgement, error: UmpireError) -> str:
        await self._finish(claimed, judgement, QueueStatus.FAILED, Who.OWN)
        return f"{QueueStatus.FAILED.value}: {error.code.value}, attempt {judgement.spent.attempts}"

    async def _again(self, claimed: Claimed, judgement: Judgement, error: UmpireError) -> str | None:
        """Give it back, or defer it, where another claim may help. None: it ends here."""
        answered = isinstance(error, AnswerError)
        if is_permanent(error) or (answered and judgement.spent.answers >= MAX_ANSWERS):
            return None
        if self.stopping:
            return await self._give_back(claimed, "stopping", front=True, spent=judgement.spent)
        if answered:
            return None
        if shut := self._gatekeeper.shut:
            # An outage costs no try. Behind the others, lest a request that breaks its provider be every probe.
            return await self._give_back(claimed, shut, front=False, spent=judgement.spent)
        if error.retry_after is not None and error.retry_after > self._judge.retry_after_max:
            await self._gatekeeper.pause(error.retry_after)
        delay = next_deferral(claimed.tries, self._deferral, self._random, retry_after=error.retry_after)
        return None if delay is None else await self._defer(claimed, judgement, error, delay)

    async def _finish(self, claimed: Claimed, judgement: Judgement, state: QueueStatus, who: Who) -> None:
        ending, headers = self._hook.ending(claimed.stored, judgement, state, who)
        forbidden = not self._permission.publishes(claimed)
        ending = replace(ending, number=claimed.number, claimed=claimed.claimed, forbidden=forbidden)
        entry_id = await self._persist(lambda: self._claims.finish(ending))
        if entry_id is None:
            # Someone else ended it: that verdict stands, and this one is not told.
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
            lambda: self._claims.give_back(
                [Return(claimed.stored, delay=delay, counts=True, spent=spent, number=claimed.number)]
            )
        )
        labels = {"provider": claimed.stored.provider.value, "error_code": error.code.value}
        self._observer(Note("comparison.deferred", "info", labels, delay))
        self._hook.status(claimed.stored, QueueStatus.QUEUED, QueueEvent.QUEUED, claimed.tries + 1, error)
        return f"deferred: {error.code.value}, attempt {judgement.spent.attempts}"

    async def _give_back(self, claimed: Claimed, reason: str, *, front: bool, spent: Spent) -> str:
        kept = spent.model_dump_json().encode()
        await self._persist(
            lambda: self._claims.give_back([Return(claimed.stored, front=front, spent=kept, number=claimed.number)])
        )
        labels = {"provider": claimed.stored.provider.value, "reason": reason}
        note = Note("comparison.returned", "info", labels)
        if reason == "breaker":
            self._gatekeeper.note(note)
        else:
            self._observer(note)
        return _returned(reason, spent)

    async def _park(self, claimed: Claimed, spent: Spent) -> str:
        """Its model is on hold: it waits beside the queue, in which other models' requests go on, and costs no try."""
        kept, model = spent.model_dump_json().encode(), claimed.stored.model
        parked = Return(claimed.stored, delay=PARKED_SECONDS, spent=kept, number=claimed.number, parked=model)
        await self._persist(lambda: self._claims.give_back([parked]))
        labels = {"provider": claimed.stored.provider.value, "reason": "model_hold"}
        self._observer(Note("comparison.returned", "info", labels))
        return _returned("model_hold", spent)

    async def _persist(self, write: Callable[[], Awaitable[T]], *, unless_stopping: bool = False) -> T:
        """Write to the ledger until it takes it: whoever holds a paid verdict does not let go of it. Where Redis
        answers with a fault that does not pass by itself, it is tried a few times only.

        `unless_stopping`: nothing is held yet, so a process that is told to stop lets the error through.
        """
        wait, longest = LEDGER_RETRY_SECONDS
        lasting = 0
        while True:
            try:
                return await write()
            except (RedisError, OSError) as error:
                lasting += not passes(error)
                if (unless_stopping and self.stopping) or lasting >= LASTING_FAULT_TRIES:
                    raise
                self._observer(Note("ledger.unwritten", "warning", fields={"error": type(error).__name__}))
                await asyncio.sleep(wait)
                wait = min(wait * 2, longest)

    def stop(self) -> None:
        """Take nothing any more, and end waits at once."""
        self.stopping = True
        self._judge.stop()
        self._slots.close()

    async def drain(self, seconds: float) -> int:
        """After `stop`: let the calls in flight finish. Returns how many did not, in `seconds`."""
        if self._running:
            await asyncio.wait(list(self._running), timeout=seconds)
        return len(self._running)


def _returned(reason: str, spent: Spent) -> str:
    """With the error of its last attempt, which may be an earlier claim's."""
    after = f" after {spent.last_error}" if spent.last_error else ""
    return f"returned: {reason}{after}, attempt {spent.attempts}"
