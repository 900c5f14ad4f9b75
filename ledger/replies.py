"""Waiting for results: one pub/sub subscription per API process.

A result arrives as a pub/sub message. Messages sent during a reconnect are lost, so a waiter also reads the stored
result (keys.answer): after every reconnect and at its deadline.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from ledger import keys
from ledger.redis.tasks import cancel_and_wait
from telemetry.observer import Note, Observer, silent
from telemetry.outage import Outage, for_ever

#: Bytes of the queue id with which a message begins.
_QUEUE_ID_BYTES = 36

#: Seconds between two attempts to subscribe again.
RECONNECT_SECONDS = 0.25


class Waiter:
    def __init__(self, redis: Redis, queue_id: UUID) -> None:
        self._redis = redis
        self._queue_id = str(queue_id)
        self.woken = asyncio.Event()
        self.answer: bytes | None = None

    async def result(self, seconds: float) -> bytes | None:
        """The result event as JSON, or None if it does not arrive within `seconds`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            left = deadline - asyncio.get_running_loop().time()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.woken.wait(), max(0.0, left))
            self.woken.clear()
            if self.answer is not None:
                return self.answer
            with suppress(RedisError, OSError):  # read again after the next wake-up or at the deadline
                answer: Any = await self._redis.get(keys.answer(self._queue_id))
                if answer is not None:
                    return bytes(answer)
            if left <= 0:
                return None


class Replies:
    def __init__(self, redis: Redis, observer: Observer = silent) -> None:
        self._redis = redis
        self._observer = observer
        self._waiting: dict[str, Waiter] = {}
        self._reader: asyncio.Task[None] | None = None
        self._pubsub: PubSub | None = None
        self.name = uuid4().hex

    @contextmanager
    def expect(self, queue_id: UUID) -> Iterator[Waiter]:
        """Register a waiter; call it before the admit that names this process, so that no answer is missed."""
        waiter = Waiter(self._redis, queue_id)
        self._waiting[str(queue_id)] = waiter
        try:
            yield waiter
        finally:
            del self._waiting[str(queue_id)]

    async def start(self) -> None:
        """Subscribe before serving if Redis is available; otherwise a background task keeps trying."""
        with suppress(RedisError, OSError):
            await self._subscribe()
        self._reader = asyncio.create_task(for_ever("replies", self._read, self._observer))

    async def stop(self) -> None:
        if self._reader is not None:
            await cancel_and_wait(self._reader)
        await self._drop()

    async def _subscribe(self) -> PubSub:
        pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        try:
            await pubsub.subscribe(keys.replies(self.name))
        except BaseException:
            await pubsub.aclose()  # type: ignore[no-untyped-call]
            raise
        self._pubsub = pubsub
        return pubsub

    async def _drop(self) -> None:
        if self._pubsub is not None:
            with suppress(RedisError, OSError):
                await self._pubsub.aclose()  # type: ignore[no-untyped-call]
            self._pubsub = None

    async def _read(self) -> None:
        outage = Outage()
        while True:
            try:
                pubsub = self._pubsub or await self._subscribe()
                outage.succeeded()
                for waiter in list(self._waiting.values()):  # their answers may have been sent before we subscribed
                    waiter.woken.set()
                while True:
                    message = await pubsub.get_message(timeout=None)
                    if message is not None:
                        self._deliver(message["data"])
            except (RedisError, OSError) as error:
                self._observer(Note("replies.lost", outage.failure_level(), fields={"error": type(error).__name__}))
                await self._drop()
                await asyncio.sleep(RECONNECT_SECONDS)

    def _deliver(self, message: bytes) -> None:
        waiter = self._waiting.get(message[:_QUEUE_ID_BYTES].decode(errors="replace"))
        if waiter is not None:
            # A worker of an earlier version sends the queue id only: the waiter then reads the stored result.
            waiter.answer = message[_QUEUE_ID_BYTES:] or None
            waiter.woken.set()
