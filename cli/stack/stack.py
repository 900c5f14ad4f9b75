"""All of umpire on one machine: Redis, Kafka, the API, the workers of each provider, and Flower."""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from typing import Any

from cli.serve.checks import check_own_redis, make_topics
from cli.serve.worker import worker_parts
from cli.stack.api_part import ApiPart, answers_ok
from cli.stack.data_directory import DataDirectory, StackFile
from cli.stack.embedded import EmbeddedKafka, EmbeddedRedis
from cli.stack.lost_results import EMBEDDED_KEEP_SECONDS, LostResults
from cli.supervise.children import child_environment, listen_for_scrapes, metrics_url, serve_port, umpire
from cli.supervise.files import LogFile
from cli.supervise.part import Launch, StackPart
from cli.supervise.ports import url_of
from cli.supervise.supervisor import Supervisor
from contracts.settings import Settings
from contracts.settings.redis import RedisAddress
from ledger.redis.tasks import cancel_and_wait

#: How often /readyz of a new API is asked, and the pause between two tries in seconds.
_READY_TRIES, _READY_PAUSE = 50, 0.1


class Stack:
    """Starts everything in a data directory that the caller has locked. Used by `umpire up` and the demo."""

    def __init__(
        self,
        settings: Settings,
        directory: DataDirectory,
        api: socket.socket,
        flower: socket.socket,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._sockets = {"api": api, "flower": flower}
        self._say = say
        self._file = StackFile(directory, self.describe, say)
        self._stopping = False
        self._replacing: set[asyncio.Task[None]] = set()
        path = directory.path.resolve()
        self._embedded_redis = None if "UMPIRE_REDIS_URL" in os.environ else EmbeddedRedis(path / "redis")
        self._embedded_kafka = None if "UMPIRE_KAFKA_BOOTSTRAP" in os.environ else EmbeddedKafka(path / "kafka.address")
        self._keep_seconds = settings.ledger.results_keep_seconds
        if self._embedded_kafka and "UMPIRE_RESULTS_KEEP_SECONDS" not in os.environ:
            self._keep_seconds = EMBEDDED_KEEP_SECONDS
        self._lost = LostResults(self._redis_address, settings.ledger, self._keep_seconds, say)
        auth = settings.flower.flower_basic_auth
        self.flower_auth = auth.get_secret_value() if auth else f"umpire:{secrets.token_urlsafe(12)}"
        self.flower_url = url_of(flower)
        self._metrics = settings.telemetry.metrics_directory or path / "metrics"
        self._servers: list[StackPart] = []
        if redis := self._embedded_redis:
            self._servers.append(self._part("redis", redis.launch, redis.ready))
        if kafka := self._embedded_kafka:
            self._servers.append(self._part("kafka", kafka.launch, kafka.ready, on_ready=self._kafka_is_ready))
        workers = worker_parts(settings, settings.enabled, path, self._environment, self._part)
        self._workers = {part: provider for provider, part in workers}
        self._api = ApiPart(settings, api, path, self._environment, self._part)
        self.api_url = self._api.url
        self.kafka_is_embedded = self._embedded_kafka is not None
        #: URLs for Prometheus to scrape, by part. Each series is at exactly one of them.
        self.scraped: dict[str, str] = {}
        self.metrics_urls = self._serve_metrics()
        self._flower = self._part("flower", self._launch_flower, lambda: answers_ok(f"{self.flower_url}/healthcheck"))
        # The API stops first, then the workers, which finish their requests, then Flower; Redis and Kafka stop last.
        self._supervisor = Supervisor([self._api.part], [*self._workers], [self._flower], self._servers[::-1])

    @property
    def redis_url(self) -> str:
        return self._embedded_redis.url if self._embedded_redis else self._settings.redis.redis_url.get_secret_value()

    @property
    def kafka_bootstrap(self) -> str:
        return self._embedded_kafka.bootstrap if self._embedded_kafka else self._settings.kafka.kafka_bootstrap

    async def start(self) -> None:
        """Start all parts. Raises Failure, with the reason, when a part does not start. Call `stop` in either case."""
        await self._supervisor.start(self._servers)
        if not self._embedded_redis:
            await check_own_redis(self._settings.redis.address(), self._say)
        if not self._embedded_kafka:  # the embedded broker makes topics on first use
            done, line = await asyncio.to_thread(make_topics, self._settings)
            if not done:
                self._say(f"warning: {line}. Copies of dead letters are lost without it.")
        await self._supervisor.start([self._api.part, *self._workers, self._flower])
        await self._until_api_accepts()
        self._file.start()
        if self._embedded_kafka:
            self._lost.redeliver(restarted=False)

    async def _until_api_accepts(self) -> None:
        """Wait for /readyz, but only for seconds: a full ledger refuses requests until the workers have emptied it."""
        for _ in range(_READY_TRIES):
            if await answers_ok(f"{self.api_url}/readyz"):
                return
            await asyncio.sleep(_READY_PAUSE)
        self._say("the API refuses requests at present; GET /readyz of the API has the reason")

    async def watch(self) -> None:
        following = asyncio.create_task(self._api.follow(self._say, self._file.update))
        try:
            await self._supervisor.watch()
        finally:
            await cancel_and_wait(following)

    async def stop(self) -> None:
        self._stopping = True
        self._lost.stop()
        self._file.stop()
        self._sockets["api"].close()
        await self._supervisor.stop()
        for server in self._sockets.values():
            server.close()
        for task in self._replacing:
            task.cancel()

    def kill(self) -> None:
        self._say("stopping at once")
        self._supervisor.kill()

    def describe(self) -> dict[str, Any]:
        """The content of stack.json."""
        workers: dict[str, list[int]] = {}
        for part, provider in self._workers.items():
            workers.setdefault(provider.value, []).extend([part.pid] if part.pid else [])
        pids: dict[str, Any] = {"api": self._api.pids, "workers": workers}
        pids |= {part.name: part.pid for part in (*self._servers, self._flower)}
        return {
            "api": self.api_url,
            "flower": self.flower_url,
            "redis": self.redis_url,
            "kafka": self.kafka_bootstrap,
            "metrics": self.metrics_urls,
            "pids": {"redis": None, "kafka": None, **pids},
            "flower_auth": self.flower_auth,
        }

    def _part(self, name: str, launch: Callable[[], Launch], ready: Callable[..., Any], **more: Any) -> StackPart:
        log = LogFile(self._directory.path / "logs" / f"{name}.log")
        return StackPart(name, launch, self._say, ready=ready, log=log, changed=self._file.update, **more)

    def _environment(self) -> dict[str, str]:
        return child_environment(
            self._metrics,
            UMPIRE_REDIS_URL=self.redis_url,
            UMPIRE_KAFKA_BOOTSTRAP=self.kafka_bootstrap,
            UMPIRE_RESULTS_KEEP_SECONDS=str(self._keep_seconds),
            UMPIRE_SPOOL_PATH=os.environ.get("UMPIRE_SPOOL_PATH", f"{self._directory.path.resolve()}/spool.sqlite3"),
        )

    def _serve_metrics(self) -> list[str]:
        """Serve metrics; returns their URLs. If a metrics port is set, Flower's port is the one after the workers'."""
        if self._settings.telemetry.metrics_directory is None:
            for old in self._metrics.glob("*"):  # files of an earlier stack, which may have had more processes
                old.unlink()
        everything = serve_port(self._settings, self._metrics)
        port = self._settings.telemetry.metrics_port
        self._sockets["flower metrics"] = listen_for_scrapes(
            self._settings, port + 1 + len(self._workers) if port else 0
        )
        self.scraped = {"api": f"{self.api_url}/metrics", "flower": metrics_url(self._sockets["flower metrics"])}
        api, flower = self.scraped.values()
        return [api, *([everything] if everything else []), flower]

    def _launch_flower(self) -> Launch:
        page, metrics = (self._sockets[name].fileno() for name in ("flower", "flower metrics"))
        environment = {**self._environment(), "UMPIRE_FLOWER_BASIC_AUTH": self.flower_auth}
        command = umpire("flower", "--descriptor", str(page), "--metrics-descriptor", str(metrics))
        return Launch(command, environment, (page, metrics))

    def _redis_address(self) -> RedisAddress:
        return self._settings.redis.address(self.redis_url)

    def _kafka_is_ready(self) -> None:
        """Restart the broker's clients: the embedded broker has a new port after each start, and no events."""
        clients = [part for part in (self._api.part, *self._workers) if part.pid]
        if not clients or self._stopping:
            return
        self._file.update()
        self._say(f"kafka has a new address, {self.kafka_bootstrap}: the API and the workers are restarted to use it")
        for part in clients:
            task = asyncio.create_task(part.replace())
            self._replacing.add(task)
            task.add_done_callback(self._replacing.discard)
        self._lost.redeliver(restarted=True, after=set(self._replacing))
