"""A worker process: one provider, one Celery consumer, one asyncio loop with its slots."""

import asyncio
import gc
import signal
import socket
from uuid import uuid4

from celery import signals
from kombu import Queue

from contracts.enums import LLMProviderType
from contracts.queues import queue_name
from contracts.settings import Settings
from ledger.redis.preflight import durability_of
from tasks.app import app, broker
from tasks.celery_log import keep_our_logging
from tasks.compare import host
from tasks.flower_events import FlowerEvents, flower_step
from tasks.loop import LoopThread
from tasks.pool import LoopPool
from tasks.runtime import Runtime
from telemetry.endpoint import serve
from telemetry.observer import Note, Observer
from telemetry.process import keep_alive, start_telemetry

#: Rarer than Python's default: collecting short-lived request objects is wasted work. Measured: +24 % throughput.
GC_THRESHOLD = (20_000, 20, 50)


def run(settings: Settings, provider: LLMProviderType) -> int:
    """Serve `provider` until SIGTERM or SIGINT. Returns the exit code of the process."""
    observer, metrics = start_telemetry(settings.telemetry, f"worker.{provider.value}")
    if settings.telemetry.metrics_port is not None:
        serve(metrics, settings.telemetry.metrics_host, settings.telemetry.metrics_port)
    slots = settings.providers[provider].concurrency
    owner = f"{socket.gethostname()}.{uuid4().hex[:12]}"
    flower = FlowerEvents()
    queue = queue_name(provider)
    app.conf.update(
        **broker(settings.redis),
        task_default_queue=queue,
        task_queues=[Queue(queue, routing_key=queue)],
    )
    app.steps["consumer"].add(flower_step(flower))

    loop = LoopThread()
    runtime = loop.run(_make(settings, provider, slots, owner, flower, observer))
    loop.run(runtime.warm_up())
    loop.start(keep_alive(metrics, runtime.is_ready))
    host.loop, host.intake, host.slots = loop, runtime.intake, slots

    def stopping(**signalled: str) -> None:
        """Runs in a signal handler, in which no logger may be used."""
        note = Note("worker.stopping", "info", fields={"signal": signalled["sig"]})
        loop.loop.call_soon_threadsafe(observer, note)
        loop.loop.call_soon_threadsafe(runtime.intake.stop)

    def stopped(**_: object) -> None:
        loop.run(runtime.close(settings.worker.drain_seconds))
        loop.stop()

    keep_our_logging()
    signals.worker_ready.connect(_interrupt_as_terminate, weak=False)
    signals.worker_shutting_down.connect(stopping, weak=False)
    signals.worker_shutdown.connect(stopped, weak=False)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    worker = app.Worker(
        hostname=f"{provider.value}@{owner}",
        pool=LoopPool,
        concurrency=settings.worker.worker_threads,
        queues=[queue],
        task_events=True,
        quiet=True,
        loglevel=settings.telemetry.log_level.upper(),
        # Nothing here uses gossip or mingle between workers, and both cost start-up time and traffic.
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _interrupt_as_terminate(**_: object) -> None:
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))


async def _make(
    settings: Settings, provider: LLMProviderType, slots: int, owner: str, flower: FlowerEvents, observer: Observer
) -> Runtime:
    for line in await durability_of(settings.redis.address()):
        observer(Note("redis.not_durable", "warning", fields={"detail": line}))
    return Runtime(asyncio.get_running_loop(), settings, provider, slots, owner, flower, observer)
