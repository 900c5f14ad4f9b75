"""A result goes to Kafka at once, and those that end together go together: idle, nobody waits; busy, fewer requests."""

import asyncio
import time

import pytest

from completion.relay import _BURST_SECONDS, Relay
from contracts.settings import Settings
from devtools.servers import apoll

HEADERS = [("ce_id", b"1")]


class Recording:
    """A publisher that remembers what it was given and when."""

    away = False

    def __init__(self):
        self.given = []

    def publish(self, topic, key, value, headers, on_delivery):
        self.given.append((value, time.monotonic()))
        on_delivery(None)

    def flush(self, _timeout):
        return 0


class Outbox:
    async def confirm(self, delivered):
        pass


@pytest.fixture
async def relay():
    publisher = Recording()
    made = Relay(
        publisher, Outbox(), asyncio.get_running_loop(), Settings(), alone=publisher, on_dead_letter=lambda *_: None
    )
    return made, publisher


def send(relay, number):
    relay.send(b"%d" % number, "huleedu.llm_provider.comparison_result.v1", "k", b"%d" % number, HEADERS)


async def test_one_alone_goes_at_once(relay):
    made, publisher = relay
    for number in range(3):
        send(made, number)
        assert len(publisher.given) == number + 1
        await asyncio.sleep(2 * _BURST_SECONDS)


async def test_those_that_follow_closely_go_together_in_their_order(relay):
    made, publisher = relay
    for number in range(10):
        send(made, number)
    assert [value for value, _ in publisher.given] == [b"0"]
    assert made.in_flight == 10
    await apoll(lambda: len(publisher.given) == 10)
    assert [value for value, _ in publisher.given] == [b"%d" % number for number in range(10)]
    (_, first), *others = publisher.given
    assert others[0][1] - first >= 0.9 * _BURST_SECONDS
    await apoll(lambda: made.in_flight == 0)


async def test_a_process_that_ends_sends_at_once_what_waits(relay):
    made, publisher = relay
    for number in range(5):
        send(made, number)
    assert await made.drain(5) == 0
    assert len(publisher.given) == 5
