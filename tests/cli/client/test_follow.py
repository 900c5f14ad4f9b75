"""Following a topic, on the embedded and on the real broker."""

import time
from uuid import uuid4

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from umpire_cli import verdict

from cli.client.follow import Follower
from cli.failure import Failure
from contracts.settings import KafkaSettings


@pytest.mark.kafka
def test_a_topic_that_is_new_and_one_that_is_not_are_followed_from_now_on(any_kafka: str) -> None:
    """The first follower makes the topic by asking for it; the second must not see what was there before it."""
    topic = f"follow.{uuid4().hex}"
    settings = KafkaSettings(kafka_bootstrap=any_kafka)
    producer = Producer({"bootstrap.servers": any_kafka})
    for request_id in ("first", "second"):
        follower = Follower(settings, topic)
        producer.produce(topic, verdict(request_id).model_dump_json())
        assert producer.flush(30) == 0
        got = next(event for event in follower.events(time.monotonic() + 30) if event)
        assert got.data.request_id == request_id
        follower.close()


def test_what_is_no_result_event_is_passed_over() -> None:
    from cli.client.follow import _parse

    assert _parse(b"") is None
    assert _parse(b"[1]") is None
    assert _parse(b'{"event_id": "x"}') is None


def test_a_broker_without_a_leader_for_the_new_topic_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def assign(self: Follower, *, start: bool) -> None:
        asked.append(start)
        if len(asked) == 1:
            raise KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION, "new"))

    monkeypatch.setattr(Follower, "_assign", assign)
    Follower(KafkaSettings(kafka_bootstrap="127.0.0.1:1"), "t").close()
    assert asked == [True, True]


def test_no_broker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.client.follow._METADATA_SECONDS", 0.5)
    with pytest.raises(Failure, match=r"no answer from Kafka at 127\.0\.0\.1:1"):
        Follower(KafkaSettings(kafka_bootstrap="127.0.0.1:1"), "t")
