"""One comparison at a time on an idle service: from the client's first byte to the event in the consumer's hands, and
to the 200 with the verdict in `immediate` mode.
"""

import http.client
import json
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from confluent_kafka import Consumer, Producer

from benchmarks.events import Stuck
from benchmarks.load import comparison_body
from benchmarks.percentile import percentile
from benchmarks.stack import Servers
from contracts.encoding import loads

UPSTREAM_MS = 20.0
WARM_UP = 50
#: Events that go through the broker before, one at a time: one that was started a moment ago still interprets its code,
#: and takes a millisecond and a half more for the first hundreds than ever after.
BROKER_WARM_UP = 3_000
_EVENT_SECONDS = 30.0
#: uvicorn closes a connection that was idle for 5 s; http.client then opens a new one automatically.
_IDLE_SECONDS = 2.0


def single(servers: Servers, *, count: int) -> dict[str, Any]:
    servers.reset(UPSTREAM_MS)
    topic = f"benchmark.single.{time.time_ns()}"
    servers.create_topic(topic)
    _warm_broker(servers)
    with (
        servers.api() as (url, _),
        servers.worker(slots=64),
        closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=_EVENT_SECONDS)) as client,
        closing(_consumer(servers.broker.bootstrap, topic)) as consumer,
    ):
        for _ in range(WARM_UP):
            _submit(client, consumer, topic, wait=False)
        before = servers.upstream_stats()
        event_ms = [_submit(client, consumer, topic, wait=False) for _ in range(count)]
        answer_ms = [_submit(client, consumer, topic, wait=True) for _ in range(count)]
        after = servers.upstream_stats()
    own = _own_ms(before, after)
    return {
        "provider_ms": own,
        "event_p50_ms": percentile(event_ms, 50),
        "event_p95_ms": percentile(event_ms, 95),
        "event_worst_ms": max(event_ms),
        "event_added_p50_ms": percentile(event_ms, 50) - own,
        "event_added_p95_ms": percentile(event_ms, 95) - own,
        "answer_p50_ms": percentile(answer_ms, 50),
        "answer_p95_ms": percentile(answer_ms, 95),
        "answer_worst_ms": max(answer_ms),
        "answer_added_p50_ms": percentile(answer_ms, 50) - own,
        "answer_added_p95_ms": percentile(answer_ms, 95) - own,
    }


def _own_ms(before: dict[str, Any], after: dict[str, Any]) -> float:
    """What a call takes within the upstream: a timer of 20 ms is up to a millisecond late. As set where not counted."""
    if "served_ms" not in after:
        return UPSTREAM_MS
    return float((after["served_ms"] - before["served_ms"]) / (after["ended"] - before["ended"]))


def _warm_broker(servers: Servers) -> None:
    topic = f"benchmark.warm.{time.time_ns()}"
    servers.create_topic(topic)
    producer = Producer({"bootstrap.servers": servers.broker.bootstrap, "linger.ms": 0})
    event = bytes(1500)
    end = time.monotonic() + _EVENT_SECONDS
    with closing(_consumer(servers.broker.bootstrap, topic)) as consumer:
        for _ in range(BROKER_WARM_UP):
            producer.produce(topic, event)
            producer.poll(0)
            while (message := consumer.poll(1.0)) is None or message.error() is not None:
                if time.monotonic() > end:
                    raise Stuck("the broker does not pass events on")
    producer.flush(_EVENT_SECONDS)


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
    body = comparison_body(topic, processing_mode="immediate" if wait else "queue")
    began = time.perf_counter()
    client.request("POST", "/api/v1/comparison", body, {"Content-Type": "application/json"})
    answer = client.getresponse()
    text = answer.read()
    answered = time.perf_counter()
    if answer.status != (200 if wait else 202):
        raise Stuck(f"HTTP {answer.status}: {text[:500]!r}")
    queue_id = json.loads(text)["queue_id"]
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
