"""Canary secrets and a canary essay, sent through a real stack and every kind of failure: found where they belong only.

Four real SDKs against upstreams that quote key and prompt in every answer; debug logs; Redis away in the midst of it,
a worker killed, requests cancelled, expired, too large for Kafka, and refused at the door.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import psutil
import pytest
from flower.urls import handlers
from tornado.web import URLSpec
from umpire_canary import (
    CASES,
    ESSAY,
    FLOWER_PASSWORD,
    METADATA,
    PROVIDER_KEYS,
    QUOTED,
    REDIS_PASSWORD,
    REFUSED_KEY,
    LockedRedis,
    Parrot,
    dump,
    leaks,
    prompt,
    read_kafka,
)
from umpire_cli import Up, get, umpire
from umpire_worker import Inbox

from contracts.enums import LLMProviderType
from contracts.topics import CALLBACK_DEAD_LETTER
from devtools.servers import apoll, free_port, poll
from ledger.redis.connection import connect

pytestmark = [pytest.mark.stack, pytest.mark.redis, pytest.mark.timeout(300)]

TOPIC = "canary.verdicts"
ANTHROPIC, OPENAI = LLMProviderType.ANTHROPIC, LLMProviderType.OPENAI

#: Events that carry the caller's metadata; that of a queue's state does not.
WITH_METADATA = {"request_started", "request_completed", "failure", "cost_tracking"}


class Client:
    """What a caller sends and is answered."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx2.AsyncClient(base_url=f"{url}/api/v1", timeout=60, trust_env=False)
        self._key = {"Authorization": f"Bearer {key}"}
        self.accepted: dict[str, str] = {}
        self.answers: dict[str, bytes] = {}

    async def send(self, name: str, *, method: str = "POST", path: str = "/comparison", **how: Any) -> dict[str, Any]:
        how["headers"] = {**self._key, **how.get("headers", {})}
        answer = await self._http.request(method, path, **how)
        self.answers[f"{name}: {answer.status_code}"] = repr(answer.headers).encode() + answer.content
        body: dict[str, Any] = answer.json()
        if method == "POST" and "queue_id" in body:
            self.accepted[name] = body["queue_id"]
        return {**body, "status": answer.status_code}

    async def compare(self, provider: LLMProviderType, case: str, /, **fields: Any) -> dict[str, Any]:
        overrides = {"provider_override": provider.value, "system_prompt_override": f"Judge. {ESSAY}"}
        request = {
            "user_prompt": prompt(case),
            "callback_topic": TOPIC,
            "metadata": {"note": METADATA},
            "user_id": "u-1",
            "llm_config_overrides": overrides,
            **fields,
        }
        return await self.send(f"{provider.value} {case} {len(self.answers)}", json=request)

    async def close(self) -> None:
        await self._http.aclose()


@contextlib.asynccontextmanager
async def parrots() -> AsyncIterator[dict[LLMProviderType, Parrot]]:
    async with contextlib.AsyncExitStack() as stack:
        yield {provider: await stack.enter_async_context(Parrot(provider)) for provider in PROVIDER_KEYS}


async def test_secrets_are_found_where_they_belong_only(tmp_path: Path) -> None:
    redis_server = LockedRedis().start()
    metrics_port = free_port()
    up: Up | None = None
    try:
        async with parrots() as upstreams:
            settings = {name: value for parrot in upstreams.values() for name, value in parrot.settings.items()}
            up = Up(
                tmp_path / "data",
                UMPIRE_REDIS_URL=redis_server.url,
                UMPIRE_AUTH="keys",
                UMPIRE_LOG_LEVEL="debug",
                UMPIRE_FLOWER_BASIC_AUTH=f"operator:{FLOWER_PASSWORD}",
                UMPIRE_METRICS_PORT=str(metrics_port),
                UMPIRE_MAX_METADATA_BYTES="2000000",
                # Each failure comes through attempts and a deferral, and its end is seen within seconds.
                UMPIRE_RETRY_ATTEMPTS="2",
                UMPIRE_TEST_RETRY_INITIAL_SECONDS="0.05",
                UMPIRE_QUEUE_MAX_RETRIES="1",
                UMPIRE_TEST_DEFER_SECONDS="0.3",
                UMPIRE_CALL_DEADLINE_SECONDS="4",
                UMPIRE_BREAKER_FAILURES="1000",
                # Its upstreams reject keys, too: a hold would keep all that follows.
                UMPIRE_HOLD="off",
                UMPIRE_TEST_LEASE_SECONDS="3",
                **settings,
            )
            await asyncio.to_thread(up.start)
            made = await asyncio.to_thread(
                umpire, "keys", "create", "--name", "canary", "--json", UMPIRE_REDIS_URL=redis_server.url
            )
            api_key = json.loads(made.stdout)["key"]
            client = Client(up.stack["api"], api_key)
            inbox = Inbox(up.stack["kafka"], TOPIC)
            seen: dict[str, bytes] = {}
            try:
                await failures(client)
                await refusals(client)
                await started_and_not_started(client, up, redis_server, seen)
                await redis_away(client, up, redis_server)
                upstreams[OPENAI].recovered.set()
                results = await inbox.until(client.accepted.values(), 90)
                failed = {name for name, queue_id in client.accepted.items() if results[queue_id].data.error_detail}
                assert {name.split()[1] for name in client.accepted if name not in failed} >= {
                    "plain",
                    "quote",
                    "crash",
                }
                assert {name.split()[1] for name in failed} >= set(CASES) - {"plain", "quote", "model"}
                seen |= await looked_at(client, up, redis_server, metrics_port)
            finally:
                inbox.close()
                await client.close()
            for parrot in upstreams.values():
                told = json.dumps(parrot.served.calls).encode()
                assert ESSAY.encode() in told
                assert PROVIDER_KEYS[parrot.provider].encode() in told
                others = {name.value: key for name, key in PROVIDER_KEYS.items() if name is not parrot.provider}
                own = {"metadata": METADATA, "API key": api_key, "Redis": REDIS_PASSWORD, **others}
                assert leaks({f"what {parrot.provider.value} got": told}, own) == []
            kafka = await asyncio.to_thread(read_kafka, up.stack["kafka"])
            await asyncio.to_thread(up.stop, 60)
            # Once more, with the last lines of everything.
            seen |= logs(up) | spool_files(up)
    finally:
        if up:
            up.discard()
        redis_server.discard()

    secrets = {
        "essay": ESSAY,
        "Redis password": REDIS_PASSWORD,
        "Flower password": FLOWER_PASSWORD,
        "API key": api_key,
        "API key's secret": api_key.rpartition("_")[2],
        "refused key": REFUSED_KEY,
        **{f"{provider.value} key": key for provider, key in PROVIDER_KEYS.items()},
    }
    events = {f"{topic} {n}": event for topic, found in kafka.items() for n, event in enumerate(found)}
    found = leaks(events | client.answers | seen, secrets)
    assert not found, "\n".join(found[:40])
    # Dead letters hold their event until somebody replays or drops them, kept results for 26 hours, an answer half a
    # minute.
    holders = ("redis umpire:dead:", "redis umpire:result:", "redis umpire:answer:")
    own = {place for place in seen if place.startswith(holders)}
    assert [place for place in own if place.startswith("redis umpire:result:")]
    quiet = {place: content for place, content in seen.items() if place not in own}
    assert leaks(quiet, {"metadata": METADATA, "justification": QUOTED}) == []
    lifecycle = {place: event for place, event in events.items() if not place.startswith(TOPIC)}
    assert leaks(lifecycle, {"justification": QUOTED}) == []
    without = {p: e for p, e in lifecycle.items() if not any(f"llm_provider.{name}." in p for name in WITH_METADATA)}
    assert leaks(without, {"metadata": METADATA}) == []
    # And the looking itself works: what belongs somewhere is seen there.
    assert leaks(events, {"metadata": METADATA, "justification": QUOTED})
    assert [place for place in events if CALLBACK_DEAD_LETTER in place]


async def failures(client: Client) -> None:
    """Every kind of answer, at every provider."""
    answers = await asyncio.gather(*(client.compare(provider, case) for provider in PROVIDER_KEYS for case in CASES))
    assert {answer["status"] for answer in answers} >= {200, 502}
    assert all("queue_id" in answer for answer in answers), [a for a in answers if "queue_id" not in a]
    parts = [
        {"target": "system", "content": ESSAY, "cacheable": True},
        {"target": "user_content", "content": prompt("s400"), "cacheable": True},
    ]
    await client.compare(ANTHROPIC, "s400", prompt_blocks=parts)
    large = await client.compare(ANTHROPIC, "plain", metadata={"note": METADATA, "long": METADATA * 60_000})
    # Its event is refused by Kafka's client, and becomes a dead letter.
    client.accepted = {name: queue_id for name, queue_id in client.accepted.items() if queue_id != large["queue_id"]}


async def refusals(client: Client) -> None:
    """What the door refuses, with the essay wherever it can stand."""
    good = {"user_prompt": prompt("plain"), "callback_topic": TOPIC, "metadata": {"note": METADATA}}
    text = json.dumps(good).encode()
    nested: Any = ESSAY
    for _ in range(200):
        nested = [nested]
    bodies: dict[str, Any] = {
        "no topic": {**good, "callback_topic": None},
        "forbidden topic": {**good, "callback_topic": "__consumer_offsets"},
        "unknown field": {**good, "note": ESSAY},
        "no text": {**good, "user_prompt": [prompt("plain")]},
        "wrong types": {**good, "priority": ESSAY, "metadata": ESSAY, "correlation_id": ESSAY, "user_id": [ESSAY]},
        "wrong overrides": {
            **good,
            "llm_config_overrides": {"provider_override": ESSAY, "temperature_override": ESSAY},
        },
        "wrong blocks": {**good, "prompt_blocks": [{"target": ESSAY, "content": [ESSAY]}]},
        "wrong ttl": {**good, "ttl_seconds": ESSAY},
        "no window": {**good, "user_prompt": f"{ESSAY} " * 60_000},
        "nested": {**good, "metadata": {"deep": nested}},
    }
    for name, body in bodies.items():
        assert 400 <= (await client.send(name, json=body))["status"] < 500, name
    contents = {
        "malformed": text[:-5],
        "not JSON": prompt("plain").encode(),
        "not UTF-8": text.replace(b"sea", b"\xff\xfe"),
        "UTF-16": text.decode().encode("utf-16"),
        "twice": text + text,
        "too large": text + b" " * 5_000_000,
        "array": b"[" + text + b"]",
    }
    for name, content in contents.items():
        headers = {"content-type": "application/json"}
        assert 400 <= (await client.send(name, content=content, headers=headers))["status"] < 500, name
    assert (await client.send("text", content=text, headers={"content-type": "text/plain"}))["status"] == 415
    for name, value in {"key": f"Bearer {REFUSED_KEY}", "basic": f"Basic {REFUSED_KEY}"}.items():
        assert (await client.send(f"wrong {name}", json=good, headers={"Authorization": value}))["status"] == 401
    for number in range(2):
        body = {**good, "user_prompt": f"{prompt('plain')}{number}", "processing_mode": "queue"}
        await client.send(f"anthropic plain once {number}", json=body, headers={"Idempotency-Key": "k-1"})


async def started_and_not_started(client: Client, up: Up, redis_server: LockedRedis, seen: dict[str, bytes]) -> None:
    """Expired, cancelled, and in the hands of a worker that is killed."""
    pids = up.stack["pids"]["workers"]
    os.kill(pids["google"][0], signal.SIGSTOP)
    google = LLMProviderType.GOOGLE
    waiting = [await client.compare(google, "plain", processing_mode="queue") for _ in range(3)]
    await client.compare(google, "expired", processing_mode="queue", ttl_seconds=1)
    await client.compare(OPENAI, "crash", processing_mode="queue")
    cancelled = await client.send("cancel", method="DELETE", path=f"/comparison/{waiting[-1]['queue_id']}")
    assert cancelled["status"] == 200
    redis = connect(redis_server.url, timeout=5)
    try:
        messages = [await redis.lrange(key, 0, -1) async for key in redis.scan_iter("umpire.google*")]
        assert any(messages), "messages of the stopped worker's queue"
        seen["Celery messages"] = repr(messages).encode()
    finally:
        await redis.aclose()
    seen |= command_lines(up)
    os.kill(pids["google"][0], signal.SIGCONT)
    os.kill(pids["openai"][0], signal.SIGKILL)


async def redis_away(client: Client, up: Up, redis_server: LockedRedis) -> None:
    """Into the spool, out of it, and nothing is left in the file."""
    await asyncio.to_thread(redis_server.stop)
    answers = [await client.compare(ANTHROPIC, "plain", processing_mode="queue") for _ in range(3)]
    assert {answer["status"] for answer in answers} == {202}
    assert leaks(spool_files(up), {"essay": ESSAY}), "the spool holds what it accepted"
    await asyncio.to_thread(redis_server.start)


async def looked_at(client: Client, up: Up, redis_server: LockedRedis, metrics_port: int) -> dict[str, bytes]:
    """Everything that can be read from outside, once all is answered."""
    found = command_lines(up) | logs(up)
    redis = connect(redis_server.url, timeout=5)
    try:

        async def settled() -> bool:
            return not await redis.xlen("umpire:outbox") and not await redis.zcard("umpire:expiry")

        await apoll(settled, 30, every=0.2, what="an empty outbox")
        found |= {f"redis {key}": content for key, content in (await dump(redis)).items()}
    finally:
        await redis.aclose()
    await apoll(lambda: not leaks(spool_files(up), {"essay": ESSAY}), 20, every=0.2, what="a spool without essays")
    found |= spool_files(up)
    stack = up.stack
    urls = {f"{stack['api']}{path}": None for path in ("/healthz", "/readyz", "/metrics", "/openapi.json")}
    urls |= {f"http://127.0.0.1:{metrics_port + number}/metrics": None for number in range(4)}
    urls[f"{stack['flower']}/healthcheck"] = None
    auth = f"operator:{FLOWER_PASSWORD}"

    def workers() -> list[str]:
        found = json.loads(get(f"{stack['flower']}/api/workers?refresh=1", auth)[1])
        return [*found] if len(found) >= len(PROVIDER_KEYS) else []

    named = await asyncio.to_thread(poll, workers, 60, every=0.5, what="Flower sees the workers after Redis was away")
    pages = flower_pages(client.accepted.values(), named)
    pages_there = 0
    for url, password in {**urls, **{f"{stack['flower']}{page}": auth for page in pages}}.items():
        status, found[url] = await asyncio.to_thread(get, url, password)
        assert status == 200 or password, url
        pages_there += status == 200
    assert pages_there > len(pages) * 0.8
    return found


def flower_pages(queue_ids: Iterable[str], workers: Iterable[str]) -> list[str]:
    patterns = [str(spec.regex.pattern) if isinstance(spec, URLSpec) else str(spec[0]) for spec in handlers]
    pages = [pattern.rstrip("$") for pattern in patterns if "(" not in pattern and pattern != ".*"]
    for queue_id in queue_ids:
        pages += [f"/task/{UUID(queue_id)}", f"/api/task/info/{queue_id}"]
    return [*pages, *(f"/worker/{worker}" for worker in workers), "/api/tasks?limit=10000"]


def command_lines(up: Up) -> dict[str, bytes]:
    found = {}
    for process in up.descendants():
        with contextlib.suppress(psutil.Error):
            found[f"command line of {process.pid}"] = " ".join(process.cmdline()).encode()
    return found


def logs(up: Up) -> dict[str, bytes]:
    found = {f"log {path.name}": path.read_bytes() for path in (up.data_dir / "logs").iterdir()}
    assert len(found) >= 6
    found["output of `umpire up`"] = up.output.read_bytes()
    assert not [name for name, text in found.items() if b"Traceback" in text]
    return found


def spool_files(up: Up) -> dict[str, bytes]:
    """The database, its write-ahead log, and that one's index."""
    return {f"spool {path.name}": path.read_bytes() for path in up.data_dir.glob("spool*")}
