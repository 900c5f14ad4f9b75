"""A bridge from a callback topic to a webhook, for a service that cannot read Kafka.

    pip install confluent-kafka
    export WEBHOOK_SECRET=whsec_$(head -c 24 /dev/urandom | base64)
    python webhook.py --bootstrap localhost:9092 --topic my.verdicts --group my-webhook --url https://example.org/verdicts

Each event is one POST with the event's bytes as its body. The headers follow https://www.standardwebhooks.com:
`webhook-id` is the event_id and is the same at every try and redelivery, `webhook-timestamp` is the time of the try,
and `webhook-signature` is an HMAC-SHA256 of both and the body. An event counts as delivered when the receiver has
answered with a status of 2xx: only then is its offset committed. After any other answer, or none, the event is posted
again, with longer and longer waits, for as long as it takes; events of other partitions go on meanwhile.
"""

import argparse
import base64
import hashlib
import hmac
import logging
import os
import signal
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from types import FrameType
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

log = logging.getLogger("webhook")

#: Waits before the next try of an event, in seconds; the last one repeats.
WAITS = (1.0, 2.0, 5.0, 15.0, 60.0)

#: Seconds that the receiver may take to answer. It should store the event, answer, and work afterwards.
TIMEOUT = 15.0

#: Headers of the event that the receiver gets as well.
PASSED_ON = ("traceparent", "redelivery")


def secret_of(text: str) -> bytes:
    """The key in `whsec_<base64>`. Raises ValueError."""
    return base64.b64decode(text.removeprefix("whsec_"), validate=True)


def signature(secret: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    signed = b"%s.%d.%s" % (event_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def plain(value: object) -> str:
    """A header's value; empty if it cannot be an HTTP header."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else ""
    return text if text.isascii() and text.isprintable() else ""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would lose its body: a redirect counts as a failure."""

    def redirect_request(self, *_: object) -> None:
        return None


class Webhook:
    def __init__(self, url: str, secret: bytes) -> None:
        self._url = url
        self._secret = secret
        self._opener = urllib.request.build_opener(NoRedirect)

    def post(self, message: Message) -> bool:
        """Whether the receiver has taken the event."""
        body = message.value() or b""
        headers = {name: plain(value) for name, value in message.headers() or []}
        event_id = headers.get("event_id") or f"{message.topic()}-{message.partition()}-{message.offset()}"
        now = int(time.time())
        request = urllib.request.Request(self._url, body, method="POST")  # noqa: S310 - main checks the scheme
        request.add_header("content-type", "application/json")
        request.add_header("webhook-id", event_id)
        request.add_header("webhook-timestamp", str(now))
        request.add_header("webhook-signature", signature(self._secret, event_id, now, body))
        for name in PASSED_ON:
            if headers.get(name):
                request.add_header(name, headers[name])
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                taken = HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
                why = f"HTTP {answer.status}"
        except urllib.error.HTTPError as error:
            taken, why = False, f"HTTP {error.code}"
        except OSError as error:
            taken, why = False, str(error)
        if not taken:
            log.warning("%s is not delivered yet: %s", event_id, why)
        return taken


class Bridge:
    def __init__(self, consumer: Consumer, webhook: Webhook) -> None:
        self._consumer = consumer
        self._webhook = webhook
        #: Failed tries of the event at which a partition waits, and the time of the next one (time.monotonic).
        self._waiting: dict[tuple[str, int], tuple[int, float]] = {}

    def run(self, stopping: list[int]) -> None:
        while not stopping:
            self._resume_due()
            message = self._consumer.poll(0.2)
            if message is None:
                continue
            if error := message.error():
                if error.fatal():
                    raise KafkaException(error)
                log.warning("%s", error.str())
            elif self._webhook.post(message):
                self._waiting.pop(_partition(message), None)
                self._commit(message)
            else:
                self._try_again(message)

    def _commit(self, message: Message) -> None:
        try:
            self._consumer.commit(message, asynchronous=False)
        except KafkaException as error:
            if error.args[0].fatal():
                raise
            # The event is posted again, with the same webhook-id.
            log.warning("offset not committed: %s", error.args[0].str())

    def _try_again(self, message: Message) -> None:
        """Go back to the event and pause its partition: `poll` must go on, or the group would drop this process."""
        topic, number = place = _partition(message)
        tries = self._waiting.get(place, (0, 0.0))[0] + 1
        self._waiting[place] = (tries, time.monotonic() + WAITS[min(tries, len(WAITS)) - 1])
        partition = TopicPartition(topic, number, message.offset() or 0)
        try:
            self._consumer.pause([partition])
            self._consumer.seek(partition)
        except KafkaException as error:  # the group has given the partition to another process
            log.warning("%s", error)

    def _resume_due(self) -> None:
        now = time.monotonic()
        due = [place for place, (_, at) in self._waiting.items() if at <= now]
        for topic, number in due:
            tries, _ = self._waiting[topic, number]
            self._waiting[topic, number] = (tries, float("inf"))
            try:
                self._consumer.resume([TopicPartition(topic, number)])
            except KafkaException as error:
                log.warning("%s", error)

    def forget(self, partitions: list[TopicPartition]) -> None:
        """These partitions are another process's now."""
        for one in partitions:
            self._waiting.pop((one.topic, one.partition), None)


def _partition(message: Message) -> tuple[str, int]:
    return message.topic() or "", message.partition() or 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", required=True, help="Kafka, host:port")
    parser.add_argument("--topic", required=True, action="append", help="callback topic; may be given several times")
    parser.add_argument("--group", required=True, help="Kafka consumer group of this bridge")
    parser.add_argument("--url", required=True, help="where to POST the events")
    parser.add_argument("--instance", help="name of this process: after a restart it gets its partitions back at once")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if not options.url.startswith(("https://", "http://")):
        parser.error("--url must begin with https:// or http://")
    try:
        secret = secret_of(os.environ["WEBHOOK_SECRET"])
    except (KeyError, ValueError):
        parser.error("WEBHOOK_SECRET must be whsec_ and a key in base64")

    stopping: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    config: dict[str, Any] = {
        "bootstrap.servers": options.bootstrap,
        "group.id": options.group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    }
    if options.instance:
        config["group.instance.id"] = options.instance
    consumer = Consumer(config)
    bridge = Bridge(consumer, Webhook(options.url, secret))
    consumer.subscribe(options.topic, on_revoke=lambda _, lost: bridge.forget(lost))
    try:
        bridge.run(stopping)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
