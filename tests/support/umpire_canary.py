"""Secrets that can be told from all else, an upstream that says them back, and where to look for them."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from redis.asyncio import Redis

from contracts.enums import LLMProviderType
from devtools.providers import PATHS, VERDICT, body_of
from devtools.redis import RedisServer
from devtools.upstream import Connection, Upstream, answer, drop, drop_midway, hang

ESSAY = "CanaryEssayXq7f3Zw91"
#: The caller's own; it travels in events, and nowhere else.
METADATA = "CanaryMetadataKv4b8Ty20"
#: Stands in a provider's justification: the provider's word, whoever it quotes.
QUOTED = "CanaryQuotedRj2m6Hs55"
REDIS_PASSWORD = "CanaryRedisPasswordWp3c"
FLOWER_PASSWORD = "CanaryFlowerPasswordLz8d"
REFUSED_KEY = "CanaryRefusedKeyBn5g"
PROVIDER_KEYS = {
    provider: f"sk-canary-{provider.value}-Dt9h{number}"
    for number, provider in enumerate(LLMProviderType)
    if provider is not LLMProviderType.MOCK
}

_CASE = re.compile(r"case:([a-z0-9]+):")

#: What an upstream does with a prompt that says `case:…:`.
STATUSES = {"s400": 400, "s401": 401, "s403": 403, "s404": 404, "s413": 413, "s429": 429, "s500": 500, "s503": 503}
FAILURES = [*STATUSES, "codes", "prose", "keys", "malformed", "html", "redirect", "hang", "drop", "midway", "empty"]
CASES = ["plain", "quote", "model", *FAILURES]


def prompt(case: str) -> str:
    """Two essays with the canary at their beginnings, in their midst and at their ends."""
    essay = f"{ESSAY} begins. " + f"The sea is wide. {ESSAY} " * 20 + f"It ends with {ESSAY}"
    return f"Which is better? case:{case}:\n\nEssay A\n{essay}\n\nEssay B\n{essay}\n"


class Parrot:
    """An upstream of one provider that quotes key and prompt in whatever it answers with."""

    def __init__(self, provider: LLMProviderType) -> None:
        self.provider = provider
        self.served = Upstream([self._answer])
        #: Prompts of the case `crash` hang until this is set.
        self.recovered = asyncio.Event()

    async def _answer(self, connection: Connection) -> None:
        call = self.served.calls[-1]
        found = _CASE.search(json.dumps(call["body"]))
        case = found[1] if found else "plain"
        if case == "crash":
            case = "plain" if self.recovered.is_set() else "hang"
        await self._for(case, f"{call['headers']} {json.dumps(call['body'])}")(connection)

    def _for(self, case: str, said: str) -> Any:  # noqa: PLR0911, PLR0912 - a table
        provider = self.provider
        if case in STATUSES:
            error = {"message": said, "type": said, "code": said, "param": said, "metadata": {"raw": said}}
            return answer(STATUSES[case], {"type": "error", "error": error, "details": [said]}, {"retry-after": "0.1"})
        match case:
            case "codes":
                key = PROVIDER_KEYS[provider]
                error = {"message": said, "type": key, "code": ESSAY, "status": ESSAY, "metadata": {"error_type": key}}
                return answer(400, {"error": {**error, "details": [{"reason": key}]}})
            case "model":
                named = {"modelVersion" if provider is LLMProviderType.GOOGLE else "model": said}
                return answer(200, body_of(provider, **named))
            case "quote":
                quoting = {**VERDICT, "justification": f"Essay B says {QUOTED}, and that is a good thing to have said."}
                return answer(200, body_of(provider, json.dumps(quoting)))
            case "prose":
                return answer(200, body_of(provider, f"I think that {said} is the better one."))
            case "keys":
                return answer(200, body_of(provider, json.dumps({**VERDICT, "winner": ESSAY, ESSAY: said})))
            case "malformed":
                return answer(200, f'{{"content": "{ESSAY}", "choices": [{said[:50]}'.encode())
            case "html":
                return answer(200, f"<html>{said}</html>".encode(), {"content-type": "text/html"})
            case "redirect":
                return answer(
                    302, {}, {"location": f"http://127.0.0.1:1/?prompt={ESSAY}&key={PROVIDER_KEYS[provider]}"}
                )
            case "empty":
                return answer(200, {"echo": said})
            case "hang":
                return hang
            case "drop":
                return drop
            case "midway":
                return drop_midway
        return answer(200, body_of(provider))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self.served.serve, "127.0.0.1", 0)
        self.served.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self.served.tasks):
            task.cancel()
        await asyncio.gather(*self.served.tasks, return_exceptions=True)

    @property
    def settings(self) -> dict[str, str]:
        name = f"UMPIRE_{self.provider.value.upper()}"
        return {
            f"{name}_API_KEY": PROVIDER_KEYS[self.provider],
            f"{name}_BASE_URL": self.served.url + PATHS[self.provider.value],
        }


class LockedRedis(RedisServer):
    """With a password, which stands in a file and on no command line."""

    def __init__(self) -> None:
        super().__init__(aof=True)
        users = self.directory / "users.acl"
        users.write_text(f"user default on >{REDIS_PASSWORD} ~* &* +@all\n")
        self.process.command += ["--aclfile", str(users)]

    @property
    def url(self) -> str:
        return f"redis://:{REDIS_PASSWORD}@127.0.0.1:{self.port}/0"

    def ready(self) -> bool:
        try:
            return self.command("PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


def leaks(places: Mapping[str, bytes], secrets: Mapping[str, str]) -> list[str]:
    """Where which secret stands, plain, in base64 at any offset, in hex, or split over lines by a backslash."""
    found = []
    for name, secret in secrets.items():
        plain = secret.encode()
        spelt = {plain, plain.hex().encode(), plain.lower()}
        for offset in range(3):
            # But for the characters that its neighbours have a part in.
            spelt.add(b64encode(b"\0" * offset + plain)[4 if offset else 0 : -4])
        for place, content in places.items():
            for spelling in spelt:
                at = content.find(spelling)
                if at >= 0:
                    found.append(f"{name} in {place}: …{content[max(0, at - 150) : at + 60]!r}…")
                    break
    return found


async def dump(redis: Redis) -> dict[str, bytes]:
    """Every key of a Redis with its name, type and content."""
    found: dict[str, bytes] = {}
    async for key in redis.scan_iter(count=1000):
        kind = (await redis.type(key)).decode()
        match kind:
            case "string":
                content: Any = await redis.get(key)
            case "hash":
                content = await redis.hgetall(key)
            case "list":
                content = await redis.lrange(key, 0, -1)
            case "set":
                content = await redis.smembers(key)
            case "zset":
                content = await redis.zrange(key, 0, -1)
            case "stream":
                content = await redis.xrange(key)
            case _:
                content = kind
        # Name and content in one: a secret must not stand in a name either.
        found[key.decode(errors="replace")] = key + b" " + repr(content).encode()
    return found


def read_kafka(bootstrap: str) -> dict[str, list[bytes]]:
    """Every event of every topic: its key, headers and value."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "canary", "enable.auto.commit": False})
    try:
        topics = consumer.list_topics(timeout=10).topics
        partitions = [(topic, number) for topic, told in topics.items() for number in told.partitions]
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in partitions])
        found: dict[str, list[bytes]] = {topic: [] for topic in topics}
        missing = sum(consumer.get_watermark_offsets(TopicPartition(*one), timeout=10)[1] for one in partitions)
        quiet = 0
        while missing > 0 and quiet < 20:
            messages = [m for m in consumer.consume(1000, 0.5) if m.error() is None]
            quiet = 0 if messages else quiet + 1
            missing -= len(messages)
            for message in messages:
                parts = repr((message.topic(), message.key(), message.headers())).encode()
                found[message.topic() or ""].append(parts + b" " + (message.value() or b""))
        return found
    finally:
        consumer.close()
