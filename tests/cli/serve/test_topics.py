"""`umpire topics`, and `umpire up` on brokers that make no topics by themselves."""

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient
from umpire_cli import Up, umpire

from devtools.kafka import EmbeddedKafka, KafkaServer
from devtools.servers import free_port

TOPIC = "huleedu.llm_provider.callback_dead_letter.v1"


def topics(bootstrap: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics)


@pytest.mark.kafka
def test_it_makes_the_dead_letter_topic_once(kafka_server: Callable[..., KafkaServer]) -> None:
    bootstrap = kafka_server(auto_create_topics_enable="false").bootstrap
    first = umpire("topics", UMPIRE_KAFKA_BOOTSTRAP=bootstrap)
    assert (first.returncode, first.stdout) == (0, f"{TOPIC} is made\n"), first.stderr
    assert TOPIC in topics(bootstrap)
    second = umpire("topics", UMPIRE_KAFKA_BOOTSTRAP=bootstrap)
    assert (second.returncode, second.stdout) == (0, f"{TOPIC} is there\n"), second.stderr


@pytest.mark.kafka
def test_what_kafka_refuses_and_an_absent_kafka_are_a_line_and_exit_1(kafka_server: Callable[..., KafkaServer]) -> None:
    """The broker's default asks for more replicas than there are brokers."""
    kafka = kafka_server(auto_create_topics_enable="false", default_replication_factor="3")
    refused = umpire("topics", UMPIRE_KAFKA_BOOTSTRAP=kafka.bootstrap)
    assert refused.returncode == 1
    assert refused.stderr == f"umpire: {TOPIC} could not be made: Kafka says INVALID_REPLICATION_FACTOR\n"
    absent = umpire("topics", UMPIRE_KAFKA_BOOTSTRAP=f"127.0.0.1:{free_port()}")
    assert absent.returncode == 1
    assert absent.stderr == f"umpire: {TOPIC} could not be made: Kafka says _TRANSPORT\n"


@pytest.mark.kafka
def test_an_embedded_broker_has_it_as_well(embedded_kafka: Callable[[], EmbeddedKafka]) -> None:
    bootstrap = embedded_kafka().bootstrap
    done = umpire("topics", UMPIRE_KAFKA_BOOTSTRAP=bootstrap)
    assert done.returncode == 0, done.stderr
    assert TOPIC in topics(bootstrap)


@pytest.mark.stack
@pytest.mark.kafka
@pytest.mark.timeout(180)
def test_umpire_up_makes_it_on_brokers_of_ones_own(
    up: Callable[..., Up], redis_url: str, kafka_server: Callable[..., KafkaServer]
) -> None:
    bootstrap = kafka_server(auto_create_topics_enable="false").bootstrap
    running = up(UMPIRE_REDIS_URL=redis_url, UMPIRE_KAFKA_BOOTSTRAP=bootstrap)
    assert TOPIC in topics(bootstrap)
    assert running.stop() == 0
