"""The stack of a run: Redis with AOF, Apache Kafka, an API of two processes with one spool, three workers, and
the upstream."""

import asyncio
import contextlib
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx2
import psutil

from chaos import ROOT
from chaos.answers import PLACE
from chaos.journal import FAULTS, UPSTREAM, Journal
from chaos.network import Network
from chaos.part import Launch, Part, Ready
from chaos.timing import Timing
from devtools.aimock import Aimock, install_aimock
from devtools.kafka import KafkaServer, install_kafka
from devtools.redis import RedisServer
from devtools.servers import clean_environment, free_port, port_open

PROVIDERS = ("anthropic", "openai")

#: Name → provider.
WORKERS = {"anthropic-1": "anthropic", "anthropic-2": "anthropic", "openai-1": "openai"}
#: Processes of the API, under one supervisor: `umpire api --processes 2`.
API_PROCESSES = 2

#: The worker that is partitioned.
PARTITIONED = "anthropic-2"

#: Names of the clients; each has an API key.
CALLERS = ("one", "other")

UMPIRE = (sys.executable, "-m", "cli.main")

#: The line in /metrics of an API process that is alive.
_UP = re.compile(r'^llm_provider_process_up\{process="api-\d+"\} 1\.0$', re.MULTILINE)


class Stack:
    def __init__(self, out: Path, tree: Path, seed: int, timing: Timing) -> None:
        install_kafka()
        install_aimock()
        self.timing = timing
        self.journal = Journal(out / FAULTS)
        self._out = out
        self._tree = tree
        self._seed = seed
        #: A checkout of an older version has no redelivery, and would refuse the setting.
        self.redelivers = (tree / "ledger" / "outbox" / "kept.py").exists()
        (out / "logs").mkdir()
        self.network = Network()
        self.network.start()
        self._host = self.network.host
        self.redis = RedisServer(aof=True, options=("--bind", *{"127.0.0.1", self._host}, "--protected-mode", "no"))
        self.kafka = KafkaServer(host=self._host)
        self._aimock = Aimock(fixtures=[{"match": {}, "response": {"content": PLACE}}])
        self.upstream_port = free_port()
        self.url = f"http://127.0.0.1:{free_port()}"
        self.api = self._api()
        self.workers = {name: self._worker(name) for name in WORKERS}
        self._upstream = self._part("upstream", self._launch_upstream, self._upstream_ready)
        #: API keys by caller.
        self.keys: dict[str, str] = {}
        self._http = httpx2.AsyncClient(timeout=10, trust_env=False)

    @property
    def parts(self) -> list[Part]:
        return [self.api, *self.workers.values()]

    async def start(self) -> None:
        servers = (self.redis.start, self.kafka.start, self._aimock.start)
        await asyncio.gather(*(asyncio.to_thread(start) for start in servers))
        self._upstream.start()
        await self._upstream.is_ready.wait()
        self.keys.update({caller: await self._make_key(caller) for caller in CALLERS})
        for part in self.parts:
            part.start()
        await self.all_ready()

    async def all_ready(self) -> None:
        async with asyncio.timeout(180):
            for part in self.parts:
                await part.is_ready.wait()

    def api_processes(self) -> list[psutil.Process]:
        """The serving processes, the oldest first, without the helper process of the multiprocessing module."""
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(self.api.pid).children() if self.api.running else []
            serving = [one for one in found if "spawn_main" in " ".join(one.cmdline())]
            return sorted(serving, key=psutil.Process.create_time)
        return []  # one of them has just ended

    async def api_is_whole(self) -> bool:
        """Whether all processes of the API run and answer."""
        if len(self.api_processes()) < API_PROCESSES:
            return False
        with contextlib.suppress(httpx2.HTTPError):
            text = (await self._http.get(f"{self.url}/metrics", timeout=5)).text
            return len(_UP.findall(text)) == API_PROCESSES
        return False

    async def misbehave(self, **rates: Mapping[str, float]) -> None:
        """Set the shares of faults by provider, in addition to the usual ones. Without arguments: only those."""
        shares = {provider: rates.get(provider, {}) for provider in PROVIDERS}
        await self._http.post(f"http://{self._host}:{self.upstream_port}/control", json=shares)

    async def calls_in_progress(self) -> int:
        answer = await self._http.get(f"http://{self._host}:{self.upstream_port}/control")
        return int(answer.json()["in_progress"])

    def left_in_redis(self) -> dict[str, int]:
        """Counts that must be 0 after all events were delivered."""
        counts = {
            "leases": ("ZCARD", "umpire:leases"), "unfinished": ("ZCARD", "umpire:expiry"),
            "outbox": ("XLEN", "umpire:outbox"), "dead letters": ("ZCARD", "umpire:dead"),
        }  # fmt: skip
        return {name: self._number(*words) for name, words in counts.items()}

    def books(self) -> dict[str, int]:
        """The totals that the service keeps in Redis, and the base that their first read stored."""
        total = """local sum, all = 0, redis.call('HGETALL', 'umpire:totals')
            for i = 1, #all, 2 do
              if string.sub(all[i], 1, #ARGV[1]) == ARGV[1] then sum = sum + all[i + 1] end
            end
            return sum"""
        names = {"accepted": "accepted.", "ended": "ended.", "base": "base"}
        sums = {name: self._number("EVAL", total, "0", prefix) for name, prefix in names.items()}
        return {**sums, "unfinished": self._number("ZCARD", "umpire:expiry")}

    def _number(self, *command: str) -> int:
        return int(self.redis.command(*command)[1:].split(b"\r\n")[0])

    async def stop(self) -> None:
        """Stop the parts with SIGTERM. A part that does not end is killed, which the journal shows."""
        await asyncio.gather(*(part.stop(self.timing.drain + 15) for part in self.parts))
        await self._upstream.stop(5)
        await self._http.aclose()

    def discard(self) -> None:
        for part in [*self.parts, self._upstream]:
            part.kill()
        self.redis.discard()
        self.kafka.discard()
        self._aimock.discard()
        self.network.close()
        self.journal.close()

    def _part(self, name: str, launch: Launch, ready: Ready, tree: Path | None = None) -> Part:
        return Part(name, launch, ready, self._out / f"logs/{name}.log", self.journal, tree or ROOT)

    def _environment(self, **settings: str) -> dict[str, str]:
        return {
            **clean_environment(),
            **self.timing.settings(),
            "PYTHONPATH": str(self._tree),
            "UMPIRE_REDIS_URL": f"redis://{self._host}:{self.redis.port}/0",
            "UMPIRE_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "UMPIRE_AUTH": "keys",
            **({"UMPIRE_RESULTS_KEEP_SECONDS": "7200"} if self.redelivers else {}),
            "UMPIRE_SPOOL_PATH": str(self._out / "spool.sqlite3"),
            **{f"UMPIRE_{provider.upper()}_API_KEY": "chaos" for provider in PROVIDERS},
            **settings,
        }

    async def _make_key(self, caller: str) -> str:
        made = await asyncio.create_subprocess_exec(
            *UMPIRE, "keys", "create", "--name", caller, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=self._environment(), cwd=self._tree,
        )  # fmt: skip
        text, complaint = await made.communicate()
        if made.returncode:
            raise RuntimeError(complaint.decode())
        return text.decode().strip()

    def _api(self) -> Part:
        def launch(_: int) -> tuple[Sequence[str], Mapping[str, str]]:
            port, processes = self.url.rpartition(":")[2], str(API_PROCESSES)
            return [*UMPIRE, "api", "--port", port, "--processes", processes], self._environment()

        return self._part("api", launch, self.api_is_whole, self._tree)

    def _worker(self, name: str) -> Part:
        provider = WORKERS[name]
        signs: list[Path] = []

        def launch(number: int) -> tuple[Sequence[str], Mapping[str, str]]:
            signs.append(self._out / f"{name}.{number}.ready")
            base = f"http://{self._host}:{self.upstream_port}/{name}.{number}" + ("/v1" if provider == "openai" else "")
            command = [*UMPIRE, "worker", "--provider", provider, "--ready-file", str(signs[-1])]
            if name == PARTITIONED:
                command = self.network.behind_the_bridge(command)
            return command, self._environment(**{f"UMPIRE_{provider.upper()}_BASE_URL": base})

        async def ready() -> bool:
            return signs[-1].exists()

        return self._part(name, launch, ready, self._tree)

    def _launch_upstream(self, _: int) -> tuple[Sequence[str], Mapping[str, str]]:
        command = [sys.executable, "-m", "chaos.upstream", "--host", self._host, "--port", str(self.upstream_port)]
        command += ["--journal", str(self._out / UPSTREAM), "--seed", str(self._seed)]
        command += ["--attempt", str(self.timing.attempt), "--aimock", self._aimock.url]
        return command, clean_environment()

    async def _upstream_ready(self) -> bool:
        return port_open(self.upstream_port, self._host)
