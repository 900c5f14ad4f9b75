"""The bridge of docs/examples/webhook.py on a real Kafka: each event arrives, signed, and is committed only then."""

import asyncio
import base64
import hashlib
import hmac
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from umpire_cli import verdict

from contracts.encoding import dumps
from devtools.servers import Process, apoll
from events.headers import headers_of_value

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "examples" / "webhook.py"

KEY = os.urandom(24)


class Post(NamedTuple):
    event_id: str
    headers: dict[str, str]
    body: bytes
    at: float


class Receiver:
    """A webhook. It answers `failures` times with these statuses (0: it hangs up) before it takes an event."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.failures: dict[str, list[int]] = {}
        #: Called with each post before it is answered.
        self.on_post: Callable[[Post], None] = lambda _: None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                post = Post(headers["webhook-id"], headers, body, time.monotonic())
                receiver.posts.append(post)
                receiver.on_post(post)
                status = 204
                if left := receiver.failures.get(post.event_id):
                    status = left.pop(0) if len(left) > 1 or left[0] >= 0 else -left[0]
                if status:
                    self.send_response(status)
                    if status == 302:
                        self.send_header("location", "/elsewhere")
                    self.end_headers()
                self.close_connection = True

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/verdicts"

    @contextmanager
    def serving(self) -> Iterator["Receiver"]:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    @property
    def tries(self) -> Counter[str]:
        return Counter(post.event_id for post in self.posts)


def is_signed(post: Post) -> bool:
    """By https://www.standardwebhooks.com, written down again."""
    content = f"{post.event_id}.{post.headers['webhook-timestamp']}.".encode() + post.body
    expected = base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    return post.headers["webhook-signature"] == f"v1,{expected}"


class Bridge:
    def __init__(self, kafka: str, topic: str, url: str, directory: Path) -> None:
        options = {"--bootstrap": kafka, "--topic": topic, "--group": f"{topic}.bridge", "--url": url}
        options |= {"--instance": "one"}
        command = [sys.executable, str(SCRIPT), *(word for option in options.items() for word in option)]
        secret = f"whsec_{base64.b64encode(KEY).decode()}"
        self.process = Process("bridge", command, directory / "log", {"WEBHOOK_SECRET": secret})

    def start(self) -> Process:
        self.process.start(lambda: True)
        return self.process


def committed(kafka: str, topic: str) -> list[int]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"{topic}.bridge"})
    found = consumer.committed([TopicPartition(topic, number) for number in (0, 1)], timeout=10)
    consumer.close()
    return [max(0, one.offset) for one in found]


def produce(kafka: str, topic: str, count: int, partition: int) -> dict[str, bytes]:
    """Event id → value of new result events."""
    producer, made = Producer({"bootstrap.servers": kafka}), {}
    for _ in range(count):
        queue_id = str(uuid4())
        event = verdict(queue_id)
        value = dumps(event)
        headers = [*headers_of_value(value, queue_id), ("redelivery", b"2")]
        producer.produce(topic, value, "key", partition=partition, headers=headers)
        made[str(event.event_id)] = value
    assert producer.flush(20) == 0
    return made


@pytest.mark.kafka
@pytest.mark.parametrize("any_kafka", ["apache"], indirect=True)
async def test_each_event_arrives_and_is_committed_only_after_a_2xx(any_kafka: str, tmp_path: Path) -> None:
    topic = f"verdicts.{uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": any_kafka})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result()
    events = await asyncio.to_thread(produce, any_kafka, topic, 6, 0)
    others = await asyncio.to_thread(produce, any_kafka, topic, 5, 1)
    first, second, third, *_ = events
    with Receiver().serving() as receiver:
        receiver.failures = {first: [500, 0, 302], second: [503], third: [-400]}
        bridge = Bridge(any_kafka, topic, receiver.url, tmp_path)
        process = bridge.start()
        try:
            # An event that is never taken holds back its partition only.
            await apoll(lambda: set(others) <= receiver.tries.keys() and receiver.tries[third] >= 3, 60)
            assert receiver.tries == {first: 4, second: 2, third: receiver.tries[third]} | dict.fromkeys(others, 1)
            assert await asyncio.to_thread(committed, any_kafka, topic) == [2, 5]
            tries = [post.at for post in receiver.posts if post.event_id == first]
            assert [after - before >= 0.9 for before, after in pairwise(tries)] == [True] * 3
            # Killed after a post, before its commit: it is posted again, with the same id.
            receiver.on_post = lambda post: process.kill() if post.event_id == third else None
            receiver.failures.clear()
            before = receiver.tries[third]
            await apoll(lambda: receiver.tries[third] > before, 60)
            receiver.on_post = lambda _: None
            assert await asyncio.to_thread(committed, any_kafka, topic) == [2, 5]
            process = bridge.start()
            await apoll(lambda: set(events) <= receiver.tries.keys(), 90)

            async def all_committed() -> bool:
                return await asyncio.to_thread(committed, any_kafka, topic) == [6, 5]

            await apoll(all_committed, 30)
            assert process.stop() == 0
        finally:
            process.kill()
        assert receiver.tries[third] == before + 2
        for post in receiver.posts:
            assert is_signed(post)
            assert post.body == {**events, **others}[post.event_id]
            assert post.headers["content-type"] == "application/json"
            assert post.headers["redelivery"] == "2"
            assert abs(int(post.headers["webhook-timestamp"]) - time.time()) < 120
