"""The API process: its routes, and its dependencies, which are chosen here and nowhere else.

`uvicorn service.app:create_app --factory --loop uvloop --http web.connection.protocol:Protocol`. Several processes may
share one port: each of them can serve every client.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from redis.exceptions import RedisError
from starlette.types import Scope

from access.authenticator import Authenticator
from completion.delivery import Delivery
from contracts.settings import Settings, load_settings
from contracts.topics import CALLBACK_DEAD_LETTER
from guard.availability import Availability
from ledger.completion import UnclaimedRequests
from ledger.ledger import Ledger
from ledger.outbox.kept import KeptResults
from ledger.redis.connection import connect
from ledger.redis.preflight import durability_of
from ledger.redis.tasks import cancel_and_wait
from ledger.replies import Replies
from ledger.spool import Spool
from maintenance.build import build
from providers.models.manifest import Manifest
from service.admission import Admission
from service.admit_or_spool import Acceptance
from service.dependencies import Dependencies
from service.drainer import Drainer
from service.estimate import Estimate
from service.kafka_state import KafkaState
from service.redelivery import Redelivery
from service.routes import batch, cancellation, comparison, health, providers, redelivery
from service.routes.openapi import describe
from service.routes.scopes import SCOPE_OF
from service.verdict_waits import VerdictWaits
from telemetry.metrics.metrics import Metrics
from telemetry.observer import Note, Observer
from telemetry.outage import for_ever
from telemetry.process import keep_alive, start_telemetry
from web.asgi import Application, ErrorBoundary, Shortcut
from web.auth import Authentication, RouteScopes
from web.body_budget import BodyBudget
from web.handlers import HANDLED, error_handler
from web.local_only import LocalOnly, check_binding

#: Seconds for which the API reuses the state of breakers and holds; concurrent requests share one read.
AVAILABILITY_TTL = 0.05

#: Most bytes of large request bodies that one process holds at a time. In memory they take two to five times as much.
BODY_BUDGET_BYTES = 32_000_000

#: Seconds to deliver the remaining events when the process stops.
FLUSH_SECONDS = 1.0

DESCRIPTION = "LLM comparison service: one fresh verdict per comparison, delivered on Kafka."


def create_app(settings: Settings | None = None, telemetry: tuple[Observer, Metrics] | None = None) -> FastAPI:
    """Raises SettingsError. Redis and Kafka need not be up: /readyz reports their state."""
    settings = settings or load_settings()
    check_binding(settings, settings.service.host)
    observer, metrics = telemetry or start_telemetry(settings.telemetry, "api")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_dependencies(settings, observer, metrics) as dependencies:
            app.state.dependencies = dependencies
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000, 20, 50)
            if settings.service.auth == "off":
                observer(Note("auth.off", "warning", fields={"detail": "every user of this machine may call the API"}))
            for line in await durability_of(settings.redis.address()):
                observer(Note("redis.not_durable", "warning", fields={"detail": line}))
            with dependencies.waits.ending_on_signals():
                yield

    app = Application(
        title="umpire",
        version=health.VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    routers = (comparison.router, batch.router, redelivery.router, cancellation.router, providers.router, health.router)
    routes = [*app.routes, *(route for router in routers for route in router.routes)]
    on_error = error_handler(observer, routes)
    for kind in (*HANDLED, Exception):
        app.add_exception_handler(kind, on_error)
    for router in routers:
        app.include_router(router)
    describe(app, settings)

    app.wrap(lambda framework: Shortcut(framework, comparison.ROUTE, on_error))
    if settings.service.auth == "off":
        app.wrap(LocalOnly)
    else:
        scopes = RouteScopes(routes, SCOPE_OF)

        def authenticator_of(scope: Scope) -> Authenticator:
            authenticator: Authenticator = scope["app"].state.dependencies.authenticator
            return authenticator

        seconds = settings.service.door_redis_seconds
        app.wrap(lambda inner: Authentication(inner, scopes, authenticator_of, seconds, observer))
    app.wrap(lambda inner: ErrorBoundary(inner, observer))
    return app


@asynccontextmanager
async def open_dependencies(settings: Settings, observer: Observer, metrics: Metrics) -> AsyncIterator[Dependencies]:
    seconds = settings.service.door_redis_seconds
    address = settings.redis.address()
    redis = connect(address.url, timeout=seconds, tls=address.tls)
    delivery = Delivery(redis, settings, observer)
    manifest = Manifest.load()
    share = settings.ledger.effective_provider_share if len(settings.enabled) > 1 else 1.0
    ledger = Ledger(redis, settings.ledger, observer, timeout=seconds, share=share)
    availability = Availability(redis, settings.enabled, ttl=AVAILABILITY_TTL)
    estimate = Estimate(settings, ledger, availability)
    replies = Replies(redis, observer)
    unclaimed = UnclaimedRequests(redis, settings.ledger, owner=replies.name, observer=observer)
    waits = VerdictWaits(seconds)
    spool = Spool(settings.spool, owner=replies.name, observer=observer)
    acceptance = Acceptance(settings, ledger, spool, delivery.lifecycle, observer, unanswered=waits.cut)
    maintenance = build(
        redis,
        settings,
        delivery,
        ledger.stats,
        owner=replies.name,
        write=unclaimed.end,
        observer=observer,
        fallback=True,
        unanswered=acceptance.record_no_answer,
        redis_away=lambda: acceptance.redis_unavailable,
        spool=spool,
    )
    admission = Admission(settings, manifest)
    results = KeptResults(redis, settings.ledger)
    redelivery = Redelivery(results, spool, admission, observer, keep_seconds=settings.ledger.results_keep_seconds)
    authenticator = Authenticator(
        redis, settings.service.keys_cache_seconds, observer, unanswered=acceptance.record_no_answer
    )
    await replies.start()
    drainer = Drainer(spool, ledger, acceptance, settings.spool.spool_drain_rate, observer)
    duties = {
        "heartbeat": lambda: keep_alive(metrics),
        "estimate": estimate.keep_fresh,
        "drainer": drainer.run,
        **maintenance.duties,
    }
    background = [asyncio.create_task(for_ever(name, duty, observer)) for name, duty in duties.items()]
    try:
        yield Dependencies(
            settings=settings,
            observer=observer,
            metrics=metrics,
            manifest=manifest,
            authenticator=authenticator,
            admission=admission,
            body_budget=BodyBudget(BODY_BUDGET_BYTES),
            acceptance=acceptance,
            spool=spool,
            ledger=ledger,
            replies=replies,
            waits=waits,
            availability=availability,
            estimate=estimate,
            kafka=KafkaState(
                *delivery.publishers, dead_letter_topic=settings.kafka.topic_prefix + CALLBACK_DEAD_LETTER
            ),
            lifecycle=delivery.lifecycle,
            unclaimed=unclaimed,
            redelivery=redelivery,
            maintenance=maintenance,
        )
    finally:
        for task in background:
            await cancel_and_wait(task)
        with suppress(RedisError, OSError):  # the locks expire
            await maintenance.leave()
        await spool.close()
        await replies.stop()
        await delivery.drain(FLUSH_SECONDS)
        await delivery.close(FLUSH_SECONDS, short=FLUSH_SECONDS)
        await redis.aclose()
