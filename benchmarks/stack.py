"""The processes that are measured: real servers, the product's own API and worker, the upstream and the consumer."""

import shutil
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from benchmarks.events import Events, Stuck
from benchmarks.tools import Tools
from benchmarks.upstream import Upstream
from devtools.kafka import EmbeddedKafka, KafkaServer
from devtools.redis import RedisServer
from devtools.servers import Process, ServerMissing, free_port

#: Seconds that a process may take to start on a busy machine. The case `starting` measures the usual time.
START_SECONDS = 90.0
#: What follows the upstream's root in each provider's base URL.
_PATHS = {"anthropic": "", "openai": "/v1", "google": ""}
#: librdkafka's own limit for what an absent broker may take to answer.
_ADMIN_SECONDS = 10.0


class Servers:
    """Redis, Kafka and the upstream, started once; `with Servers(…)` stops them and removes their data."""

    def __init__(self, tools: Tools, *, fsync: str, kafka: str) -> None:
        self._tools = tools
        self._fsync = fsync
        self._kafka = kafka
        self._exits = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="umpire-benchmark-"))
        self._exits.callback(shutil.rmtree, self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self._start()
        except BaseException:
            self._exits.close()
            raise

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _start(self) -> Self:
        # As `umpire up` runs its own.
        options = ("--appendfsync", self._fsync, "--maxmemory-policy", "noeviction")
        self.redis = RedisServer(aof=True, options=(*options, "--auto-aof-rewrite-min-size", "512mb"))
        self._exits.callback(self.redis.discard)
        self.redis.start()
        self.broker = self._broker()
        self._exits.callback(self.broker.discard)
        self.broker.start()
        port = free_port()
        self.upstream_url = f"http://127.0.0.1:{port}"
        self.provider = Upstream(self.upstream_url)
        self.upstream = self.process("upstream", [*self._tools.upstream, "-port", str(port)])
        self.upstream.start(lambda: self.answers(f"{self.upstream_url}/stats"))
        return self

    def _broker(self) -> KafkaServer | EmbeddedKafka:
        if self._kafka != "embedded":
            try:
                return KafkaServer()
            except ServerMissing as missing:
                if self._kafka == "apache":
                    raise
                print(f"embedded Kafka in place of Apache Kafka: {missing.reason}")
        return EmbeddedKafka()

    @property
    def pids(self) -> dict[str, int]:
        return {
            "redis": self.redis.process.pid,
            "kafka": self.broker.process.pid,
            "upstream": self.upstream.pid,
        }

    def process(self, name: str, command: list[str], **environment: str) -> Process:
        """A process that ends with the benchmark at the latest."""
        process = Process(name, command, self.folder / f"{name}.log", environment)
        self._exits.callback(process.kill)
        return process

    def environment(self, slots: int) -> dict[str, str]:
        return {
            "UMPIRE_REDIS_URL": self.redis.url,
            "UMPIRE_KAFKA_BOOTSTRAP": self.broker.bootstrap,
            "UMPIRE_LOG_LEVEL": "warning",
            **self._served("anthropic", slots),
        }

    def only(self, provider: str, slots: int) -> dict[str, str]:
        """Settings for an API and a worker under which there is no other provider."""
        return {"UMPIRE_ANTHROPIC_API_KEY": "", **self._served(provider, slots)}

    def _served(self, provider: str, slots: int) -> dict[str, str]:
        prefix = f"UMPIRE_{provider.upper()}"
        return {
            f"{prefix}_API_KEY": "benchmark",
            f"{prefix}_BASE_URL": self.upstream_url + _PATHS[provider],
            f"{prefix}_CONCURRENCY": str(slots),
            # Out of reach, but in force: every call reserves its share of them, as it does in production.
            f"{prefix}_RPM": "6000000",
            f"{prefix}_TPM": "60000000000",
        }

    def reset(
        self,
        upstream_ms: float,
        *,
        sd_ms: float = 0.0,
        limit: Mapping[str, str | int] | None = None,
        closing: bool = False,
    ) -> None:
        """Empty Redis, and set how the upstream behaves."""
        self.redis.command("FLUSHALL")
        self.provider.behave(upstream_ms, sd_ms=sd_ms, limit=limit, closing=closing)
        self.upstream_stats()

    def upstream_stats(self) -> dict[str, Any]:
        """`calls` so far, and the `peak` of calls in flight since the last time this was asked."""
        return self.provider.stats()

    @contextmanager
    def api(self, slots: int = 64, module: str | None = None, **more: str) -> Iterator[tuple[str, Process]]:
        """`umpire api`, or a module that takes its place; its URL."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = ["-m", module, str(port)] if module else ["-m", "cli.main", "api", "--port", str(port)]
        process = self.process(module or "api", [sys.executable, *command], **{**self.environment(slots), **more})
        process.start(lambda: self.answers(f"{url}/healthz"), deadline=START_SECONDS)
        try:
            yield url, process
        finally:
            process.stop(deadline=10)

    @contextmanager
    def worker(self, slots: int, provider: str = "anthropic", **more: str) -> Iterator[Process]:
        """`umpire worker --provider …`, consuming."""
        ready = self.folder / f"ready-{uuid.uuid4().hex}"
        command = ["-m", "cli.main", "worker", "--provider", provider, "--ready-file", str(ready)]
        environment = {**self.environment(slots), **more}
        process = self.process(f"worker-{provider}", [sys.executable, *command], **environment)
        process.start(ready.exists, deadline=START_SECONDS)
        try:
            yield process
        finally:
            process.stop(deadline=20)

    @contextmanager
    def workers(self, count: int, slots: int, provider: str = "anthropic", **more: str) -> Iterator[list[Process]]:
        """Worker processes of one provider, each with `slots` slots."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.worker(slots, provider, **more)) for _ in range(count)]

    @contextmanager
    def consumer(self) -> Iterator[tuple[str, Events, Process]]:
        """A new topic, its events, and the process that consumes it."""
        topic = f"benchmark.{uuid.uuid4().hex}"
        self.create_topic(topic)
        out = self.folder / f"{topic}.txt"
        process = self.process(
            "consumer", [sys.executable, "-m", "benchmarks.consumer", self.broker.bootstrap, topic, str(out)]
        )
        process.start(lambda: out.exists() and out.read_text().startswith("ready"), deadline=START_SECONDS)
        try:
            yield topic, Events(out), process
        finally:
            process.stop(deadline=10)

    def create_topic(self, topic: str) -> None:
        """Before anything is timed. The embedded broker makes topics on first use, and serves no such request."""
        from confluent_kafka.admin import AdminClient
        from confluent_kafka.cimpl import NewTopic

        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        if isinstance(self.broker, EmbeddedKafka):
            admin.list_topics(topic, timeout=_ADMIN_SECONDS)
            return
        admin.create_topics([NewTopic(topic, num_partitions=4, replication_factor=1)])[topic].result(_ADMIN_SECONDS)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]

    def check_alive(self, *processes: Process) -> None:
        """Raises Stuck, with the end of its log, when a process has ended."""
        for process in processes:
            if not process.running:
                raise Stuck(f"{process.name} ended:\n{self.log(process.name)}")

    @staticmethod
    def answers(url: str) -> bool:
        with suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
        return False
