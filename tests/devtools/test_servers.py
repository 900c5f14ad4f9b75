"""The tests' own servers do what other tests rely on."""

import http.client
import json
import os
import socket

import psycopg
import pytest
import redis
from confluent_kafka import Consumer, Producer

from devtools.aimock import Aimock
from devtools.servers import apoll, poll


@pytest.mark.redis
def test_each_test_gets_an_empty_redis(redis_url):
    client = redis.Redis.from_url(redis_url)
    assert client.dbsize() == 0
    client.set("left", "over")


@pytest.mark.redis
def test_the_next_one_too(redis_url):
    assert redis.Redis.from_url(redis_url).dbsize() == 0


@pytest.mark.redis
def test_redis_with_aof_keeps_what_it_acknowledged_over_kill_9(redis_server):
    server = redis_server(aof=True)
    redis.Redis.from_url(server.url).set("a", "1")
    server.restart()
    assert redis.Redis.from_url(server.url).get("a") == b"1"


@pytest.mark.redis
def test_a_frozen_redis_answers_again_after_the_thaw(redis_server):
    server = redis_server()
    client = redis.Redis.from_url(server.url, socket_timeout=0.2, retry=None)
    client.ping()
    server.pause()
    with pytest.raises(redis.exceptions.TimeoutError):
        client.ping()
    server.resume()
    assert poll(server.ready)


@pytest.mark.postgres
def test_each_test_gets_an_empty_database(postgres_url):
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE left_over (n int)")


@pytest.mark.postgres
def test_the_next_one_has_no_table_of_it(postgres_url):
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        found = connection.execute("SELECT to_regclass('left_over')").fetchone()
    assert found == (None,)


@pytest.mark.postgres
def test_a_postgres_keeps_what_it_acknowledged_over_kill_9_and_copies_a_database(postgres_server):
    server = postgres_server()
    first = server.create_database()
    server.sql("CREATE TABLE kept AS SELECT 7 AS n", first)
    server.kill()
    server.start()
    assert server.sql("SELECT n FROM kept", server.create_database(first)) == [(7,)]
    server.stop()
    assert not server.ready()


@pytest.mark.postgres
def test_a_frozen_postgres_answers_again_after_the_thaw(postgres_server):
    server = postgres_server()
    url = server.url().replace("+psycopg", "")
    server.pause()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)
    server.resume()
    assert poll(server.ready)


@pytest.mark.kafka
def test_a_broker_carries_a_message_with_key_and_headers(any_kafka):
    producer = Producer({"bootstrap.servers": any_kafka, "enable.idempotence": True})
    producer.produce("servers.test", key="k", value=b"v", headers=[("h", b"1")])
    assert producer.flush(20) == 0
    consumer = Consumer({"bootstrap.servers": any_kafka, "group.id": "servers", "auto.offset.reset": "earliest"})
    consumer.subscribe(["servers.test"])
    message = poll(lambda: consumer.poll(0.2), 20)
    assert (message.error(), message.key(), message.value()) == (None, b"k", b"v")
    assert message.headers() == [("h", b"1")]
    consumer.close()


@pytest.mark.kafka
def test_the_embedded_broker_ends_with_0_on_sigterm_and_takes_its_port_file_along(embedded_kafka):
    broker = embedded_kafka()
    host, port = broker.bootstrap.split(":")
    assert host == "127.0.0.1" and int(port)
    assert broker.stop() == 0
    assert not (broker.directory / "port").exists()


def _ask(server: Aimock, text: str) -> int:
    body = {"model": "gpt-5.5", "messages": [{"role": "user", "content": text}], "store": False}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    headers = {"content-type": "application/json", "authorization": "Bearer sk-hidden"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    return connection.getresponse().status


@pytest.mark.aimock
def test_aimock_takes_fixtures_at_run_time_in_sequence_and_tells_what_arrived(aimock):
    aimock.set_fixtures(
        [
            {
                "match": {"userMessage": "essay", "sequenceIndex": 0},
                "response": {"error": {"message": "slow down", "type": "rate_limit"}, "status": 429, "retryAfter": 2},
            },
            {"match": {"userMessage": "essay", "sequenceIndex": 1}, "response": {"content": "fine"}},
        ]
    )
    assert [_ask(aimock, "an essay") for _ in range(2)] == [429, 200]
    assert [entry["response"]["status"] for entry in aimock.journal()] == [429, 200]
    raw = aimock.requests()
    assert [request["body"]["store"] for request in raw] == [False, False]
    assert raw[0]["headers"]["authorization"] == "[REDACTED]"


@pytest.mark.aimock
def test_aimock_chaos_comes_and_goes(aimock):
    assert aimock.journal() == [] and aimock.requests() == []
    aimock.set_fixtures([{"match": {"userMessage": "essay"}, "response": {"content": "fine"}}])
    aimock.chaos(rateLimitRate=1.0)
    assert _ask(aimock, "an essay") == 429
    aimock.calm()
    assert _ask(aimock, "an essay") == 200
    assert len(aimock.await_calls(2)) == 2


async def test_apoll_takes_plain_and_coroutine_conditions_and_says_what_it_waited_for():
    async def soon():
        return 7

    assert await apoll(soon) == 7
    with pytest.raises(AssertionError, match="the moon"):
        await apoll(lambda: 0, 0.05, what="the moon")


def test_no_test_reaches_the_network():
    with pytest.raises(ConnectionRefusedError, match="no network"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


def test_no_setting_of_the_shell_reaches_a_test():
    assert not [name for name in os.environ if name.startswith("UMPIRE_")]
