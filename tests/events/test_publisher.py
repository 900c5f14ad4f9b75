"""The publisher's contract, on the embedded broker and on Apache Kafka."""

import json
import socket
import subprocess
import sys
import threading
import time
from uuid import uuid4

import pytest
import trustme
from confluent_kafka import KafkaError
from umpire_events import Remembered, read

from contracts.settings import KafkaSettings
from devtools.servers import ROOT, clean_environment, free_port, poll
from events.delivery_error import DeliveryError
from events.producer import Publisher
from telemetry.observer import silent

pytestmark = pytest.mark.kafka

HEADERS = [("ce_id", b"1"), ("traceparent", b"00-1-2-01")]


@pytest.fixture
def topic():
    return f"test.{uuid4().hex}"


@pytest.fixture
def make():
    publishers = []

    def made(bootstrap, observer=silent, **settings):
        publisher = Publisher(KafkaSettings(kafka_bootstrap=bootstrap, **settings), observer)
        publishers.append(publisher)
        return publisher

    yield made
    for publisher in publishers:
        publisher.close(1)


def test_an_event_arrives_with_key_value_and_headers_and_its_owner_is_told_once(any_kafka, topic, make):
    reports = []
    publisher = make(any_kafka)
    publisher.publish(topic, "the key", b"{}", HEADERS, reports.append)
    assert publisher.flush(20) == 0
    assert reports == [None]
    (message,) = read(any_kafka, topic, 1)
    assert (message.key(), message.value(), message.headers()) == (b"the key", b"{}", HEADERS)


def test_reports_come_by_themselves_from_another_thread(any_kafka, topic, make):
    reports = []
    make(any_kafka).publish(topic, "k", b"v", [], lambda error: reports.append((error, threading.get_ident())))
    ((error, thread),) = poll(lambda: reports, 20)
    assert error is None
    assert thread != threading.get_ident()


def test_events_of_one_key_keep_their_order(any_kafka, topic, make):
    publisher = make(any_kafka)
    for number in range(2000):
        publisher.publish(topic, "one", b"%d" % number, HEADERS, lambda error: None)
    assert publisher.flush(20) == 0
    assert [int(message.value()) for message in read(any_kafka, topic, 2000)] == list(range(2000))


def test_an_event_over_the_limit_is_unretriable_and_hurts_no_other(any_kafka, topic, make):
    large, small = [], []
    publisher = make(any_kafka)
    publisher.publish(topic, "k", b"x" * 2_000_000, [], large.append)
    publisher.publish(topic, "k", b"x", [], small.append)
    assert publisher.flush(20) == 0
    assert large == [DeliveryError("MSG_SIZE_TOO_LARGE", retriable=False, too_large=True)]
    assert small == [None]


def test_a_topic_with_an_illegal_name_is_unretriable(kafka_bootstrap, make):
    reports = []
    publisher = make(kafka_bootstrap)
    publisher.publish("no such/topic", "k", b"v", [], reports.append)
    assert publisher.flush(20) == 0
    assert [report.retriable for report in reports] == [False]


def test_with_no_broker_each_event_is_given_back_in_time_and_it_is_said_once(topic, make):
    observer, reports = Remembered(), []
    publisher = make(f"127.0.0.1:{free_port()}", observer, kafka_delivery_timeout_seconds=1)
    started = time.monotonic()
    for _ in range(10):
        publisher.publish(topic, "k", b"v", [], reports.append)
    poll(lambda: len(reports) == 10, 10)
    assert time.monotonic() - started < 4
    assert set(reports) == {DeliveryError("_MSG_TIMED_OUT", retriable=True)}
    assert publisher.away
    assert len(observer.named("kafka.away")) == 1


def test_a_full_local_queue_is_told_at_once_and_loses_nothing(topic, make, monkeypatch):
    monkeypatch.setattr("events.config.QUEUE_EVENTS", 5)
    reports = []
    publisher = make(f"127.0.0.1:{free_port()}")
    for _ in range(8):
        publisher.publish(topic, "k", b"v", [], reports.append)
    assert reports == [DeliveryError("_QUEUE_FULL", retriable=True)] * 3
    publisher.close(0.1)
    assert len(reports) == 8


def test_close_gives_back_what_it_could_not_deliver_and_takes_nothing_more(topic, make):
    reports = []
    publisher = make(f"127.0.0.1:{free_port()}")
    publisher.publish(topic, "k", b"v", [], reports.append)
    assert publisher.close(0.2) == 1
    assert [report.retriable for report in reports] == [True]
    publisher.publish(topic, "k", b"v", [], reports.append)
    assert reports[1] == DeliveryError("_CLOSED", retriable=True)


def test_a_frozen_broker_delivers_after_the_thaw_and_once(kafka_server, topic, make):
    server, observer, reports = kafka_server(), Remembered(), []
    publisher = make(server.bootstrap, observer, kafka_delivery_timeout_seconds=30)
    publisher.publish(topic, "k", b"0", [], reports.append)
    assert publisher.flush(20) == 0
    server.pause()
    for number in range(1, 51):
        publisher.publish(topic, "k", b"%d" % number, [], reports.append)
    assert publisher.flush(1) == 50
    server.resume()
    poll(lambda: len(reports) == 51, 30)
    assert set(reports) == {None}
    assert sorted(int(message.value()) for message in read(server.bootstrap, topic, 51)) == list(range(51))


def test_a_broker_that_comes_back_is_found_again(kafka_server, topic, make):
    server, observer, reports = kafka_server(), Remembered(), []
    publisher = make(server.bootstrap, observer, kafka_delivery_timeout_seconds=60)
    publisher.publish(topic, "k", b"0", [], reports.append)
    assert publisher.flush(20) == 0
    server.kill()
    publisher.publish(topic, "k", b"1", [], reports.append)
    poll(lambda: publisher.away, 10)
    server.start()
    poll(lambda: len(reports) == 2, 60)
    assert reports == [None, None]
    assert not publisher.away
    assert [note.what for note in observer if note.what in {"kafka.away", "kafka.back"}] == ["kafka.away", "kafka.back"]


def test_a_producer_that_librdkafka_gave_up_is_replaced(kafka_bootstrap, topic, make):
    observer, reports = Remembered(), []
    publisher = make(kafka_bootstrap, observer)
    publisher.publish(topic, "k", b"0", [], reports.append)
    assert publisher.flush(20) == 0
    first = publisher._connection
    first._error(KafkaError(KafkaError._FATAL, "lost its sequence", fatal=True))
    publisher.publish(topic, "k", b"1", [], reports.append)
    assert publisher.flush(20) == 0
    assert reports == [None, None]
    assert publisher._connection is not first
    assert len(observer.named("kafka.fatal")) == 1


def test_nothing_connects_before_the_first_event(make):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        make(f"127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_callback_that_fails_does_not_stop_the_reports_of_others(kafka_bootstrap, topic, make):
    observer, reports = Remembered(), []
    publisher = make(kafka_bootstrap, observer)

    def broken(error):
        raise ValueError("ours")

    publisher.publish(topic, "k", b"0", [], broken)
    publisher.publish(topic, "k", b"1", [], reports.append)
    poll(lambda: reports and observer.named("kafka.report_failed"), 20)
    publisher.publish(topic, "k", b"2", [], reports.append)
    poll(lambda: len(reports) == 2, 20)
    assert reports == [None, None]


def test_security_settings_reach_librdkafka_and_the_password_no_log():
    from events.config import producer_config

    settings = KafkaSettings(
        kafka_security_protocol="sasl_ssl",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username="umpire",
        kafka_sasl_password="secret",
        kafka_ssl_ca_location="/etc/ca.pem",
    )
    config = producer_config(settings)
    assert {name: config[name] for name in config if name.startswith(("sasl", "ssl", "security"))} == {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "umpire",
        "sasl.password": "secret",
        "ssl.ca.location": "/etc/ca.pem",
    }
    assert "secret" not in repr(settings)


def test_a_producer_that_cannot_be_made_is_an_outage_until_it_can_and_no_fault_of_the_event(
    kafka_bootstrap, topic, make, tmp_path
):
    observer, reports, missing = Remembered(), [], tmp_path / "authorities.pem"
    publisher = make(kafka_bootstrap, observer, kafka_security_protocol="ssl", kafka_ssl_ca_location=str(missing))
    assert publisher.outage is None
    for _ in range(3):
        publisher.publish(topic, "k", b"v", [], reports.append)
    assert reports == [DeliveryError("_INVALID_ARG", retriable=True)] * 3
    assert publisher.outage == "_INVALID_ARG"
    assert not publisher.reachable(1)
    (note,) = observer.named("kafka.no_producer")
    assert (note.level, note.fields) == ("error", {"code": "_INVALID_ARG", "producer": "results"})
    trustme.CA().cert_pem.write_to_path(missing)

    def made():
        publisher.connect()
        return publisher.outage is None

    poll(made, 10, every=0.1)
    assert len(observer.named("kafka.producer_back")) == 1


#: A process whose memory ends where it stands when it wants its producer.
SHORT_OF_MEMORY = """
import json, os, resource, sys
from contracts.settings import KafkaSettings
from events.producer import Publisher

reports, notes = [], []
publisher = Publisher(KafkaSettings(kafka_bootstrap=sys.argv[1]), notes.append)
mapped = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (mapped + 2**20, resource.RLIM_INFINITY))
publisher.publish(sys.argv[2], "k", b"0", [], reports.append)
limited = publisher.outage
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
while not publisher.reachable(5):
    pass
publisher.publish(sys.argv[2], "k", b"1", [], reports.append)
left = publisher.close(20)
codes = [error and [error.code, error.retriable] for error in reports]
print(json.dumps([limited, codes, publisher.outage, left, [note.what for note in notes if note.level == "error"]]))
"""


def test_without_memory_for_a_producer_each_event_is_given_back_and_later_ones_are_delivered(kafka_bootstrap, topic):
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, kafka_bootstrap, topic],
        env={**clean_environment(), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    code = "_CRIT_SYS_RESOURCE"
    assert json.loads(done.stdout) == [code, [[code, True], None], None, 0, ["kafka.no_producer"]]


def test_a_fatal_error_is_an_outage_until_a_delivery(kafka_bootstrap, topic, make):
    observer, reports = Remembered(), []
    publisher = make(kafka_bootstrap, observer)
    publisher.publish(topic, "k", b"0", [], reports.append)
    assert publisher.flush(20) == 0
    publisher._connection._error(KafkaError(KafkaError._FATAL, "lost its sequence", fatal=True))
    assert publisher.outage == "_FATAL"
    # A broker that answers proves little: the same error may come as soon as there is something to send.
    assert publisher.reachable(5)
    assert publisher.outage == "_FATAL"
    publisher.publish(topic, "k", b"1", [], reports.append)
    assert publisher.flush(20) == 0
    assert reports == [None, None]
    assert publisher.outage is None
    assert [note.what for note in observer if note.what.startswith("kafka.")] == ["kafka.fatal", "kafka.producer_back"]


def test_a_fatal_error_with_nothing_to_deliver_is_over_when_a_new_producer_stays_well(
    kafka_bootstrap, make, monkeypatch
):
    monkeypatch.setattr("events.producer._FATAL_SECONDS", 0.5)
    publisher = make(kafka_bootstrap)
    publisher.connect()
    publisher._connection._error(KafkaError(KafkaError._FATAL, "lost its sequence", fatal=True))
    assert publisher.outage == "_FATAL"
    poll(lambda: publisher.reachable(5) and publisher.outage is None, 10)
