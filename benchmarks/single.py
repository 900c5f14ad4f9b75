"""One comparison at a time on an idle service: from the client's first byte to the event in the consumer's hands."""

import http.client
import json
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from confluent_kafka import Consumer

from benchmarks.events import Stuck
from benchmarks.load import comparison_body
from benchmarks.stack import Servers
from contracts.encoding import loads

UPSTREAM_MS = 20.0
WARM_UP = 20
_EVENT_SECONDS = 30.0
#: uvicorn closes a connection that was idle for 5 s; http.client opens a new one by itself once it was closed here.
_IDLE_SECONDS = 2.0


def single(servers: Servers, *, count: int) -> dict[str, Any]:
    servers.reset(UPSTREAM_MS)
    topic = f"benchmark.single.{time.time_ns()}"
    servers.create_topic(topic)
    with (
        servers.api() as (url, _),
        servers.worker(slots=64),
        closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=_EVENT_SECONDS)) as client,
        closing(_consumer(servers.broker.bootstrap, topic)) as consumer,
    ):
        event_ms = [_submit(client, consumer, topic, wait=False) for _ in range(WARM_UP + count)][WARM_UP:]
        answer_ms = [_submit(client, consumer, topic, wait=True) for _ in range(count)]
    return {
        "upstream_ms": UPSTREAM_MS,
        "event_p50_ms": _percentile(event_ms, 50),
        "event_p95_ms": _percentile(event_ms, 95),
        "event_worst_ms": max(event_ms),
        "over_upstream_p50_ms": _percentile(event_ms, 50) - UPSTREAM_MS,
        "over_upstream_p95_ms": _percentile(event_ms, 95) - UPSTREAM_MS,
        "answer_p50_ms": _percentile(answer_ms, 50),
        "answer_p95_ms": _percentile(answer_ms, 95),
        "answer_worst_ms": max(answer_ms),
    }


def _consumer(bootstrap: str, topic: str) -> Consumer:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    assigned = False

    def on_assign(*_: object) -> None:
        nonlocal assigned
        assigned = True

    consumer.subscribe([topic], on_assign=on_assign)
    end = time.monotonic() + _EVENT_SECONDS
    while not assigned:
        consumer.poll(0.1)
        if time.monotonic() > end:
            raise Stuck("the consumer got no partitions")
    return consumer


def _submit(client: http.client.HTTPConnection, consumer: Consumer, topic: str, *, wait: bool) -> float:
    """Milliseconds until the event is here; with `wait`, until the HTTP answer with the verdict is."""
    headers = {"Content-Type": "application/json"} | ({} if wait else {"Prefer": "respond-async"})
    began = time.perf_counter()
    client.request("POST", "/api/v1/comparison", comparison_body(topic), headers)
    answer = client.getresponse()
    body = answer.read()
    answered = time.perf_counter()
    if answer.status != (200 if wait else 202):
        raise Stuck(f"HTTP {answer.status}: {body[:500]!r}")
    queue_id = json.loads(body)["queue_id"]
    end = time.monotonic() + _EVENT_SECONDS
    while time.monotonic() < end:
        message = consumer.poll(1.0)
        if message is None or message.error() is not None:
            continue
        if loads(message.value() or b"")["data"]["request_id"] == queue_id:
            if time.perf_counter() - answered > _IDLE_SECONDS:
                client.close()
            return 1000 * ((answered if wait else time.perf_counter()) - began)
    raise Stuck(f"no event for {queue_id} within {_EVENT_SECONDS:.0f} s")


def _percentile(values: list[float], share: int) -> float:
    return sorted(values)[min(len(values) * share // 100, len(values) - 1)]
