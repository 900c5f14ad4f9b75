"""The message that admission pushes is the one that Celery would have pushed, and a stock worker runs it."""

import asyncio
import json
from base64 import b64decode
from uuid import uuid4

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from umpire_ledger import stored

from contracts.enums import LLMProviderType
from contracts.queues import COMPARE_TASK, PRIORITY_STEPS, broker_priority, list_names, queue_name
from contracts.settings import LedgerSettings
from devtools.servers import poll
from ledger.ledger import Ledger
from ledger.message import pointer, pointer_list
from ledger.redis.connection import connect
from tasks.app import SETTINGS

pytestmark = pytest.mark.redis

#: Different at each push, or in each process.
RANDOM = {"delivery_tag", "reply_to", "origin"}


@pytest.fixture
def celery(redis_url):
    app = Celery("tests", broker=redis_url, set_as_current=False)
    app.conf.update(SETTINGS)
    yield app
    app.close()


def run(queue_id):
    """Stands for tasks.compare.compare."""


def parsed(raw):
    message = json.loads(raw)
    message["body"] = json.loads(b64decode(message["body"]))
    for part in (message["headers"], message["properties"]):
        for name in RANDOM & set(part):
            assert isinstance(part[name], str)
            part[name] = "random"
    return message


def lists(client, provider):
    names = list_names(queue_name(provider))
    return {name: client.lrange(name, 0, -1) for name in names}


@pytest.mark.parametrize("priority", range(11))
@pytest.mark.parametrize("provider", [LLMProviderType.MOCK, LLMProviderType.ANTHROPIC])
def test_it_equals_what_celery_writes_and_lies_in_the_same_list(celery, provider, priority):
    queue_id = str(uuid4())
    # The task itself, as `send_task` by name does not know that it ignores results.
    compare = celery.task(name=COMPARE_TASK, shared=False)(run)
    compare.apply_async((queue_id,), task_id=queue_id, queue=queue_name(provider), priority=broker_priority(priority))
    with celery.connection_for_write() as connection:
        found = {name: rows for name, rows in lists(connection.default_channel.client, provider).items() if rows}
    ((name, (theirs,)),) = found.items()
    assert pointer_list(provider, priority) == name
    ours = parsed(pointer(queue_id, provider, priority))
    theirs = parsed(theirs)
    for part in ("headers", "properties", "body"):
        assert ours[part] == theirs[part]
    assert ours == theirs


def test_send_task_by_name_differs_in_one_header_only(celery, redis_url):
    queue_id = str(uuid4())
    celery.send_task(COMPARE_TASK, (queue_id,), task_id=queue_id, queue="umpire.mock", priority=9)
    with celery.connection_for_write() as connection:
        theirs = parsed(connection.default_channel.client.rpop("umpire.mock:9"))
    assert theirs["headers"].pop("ignore_result") is None
    ours = parsed(pointer(queue_id, LLMProviderType.MOCK, 0))
    assert ours["headers"].pop("ignore_result") is True
    assert ours == theirs


def test_priorities_map_as_kombus_own_channel_maps_them(celery):
    with celery.connection_for_write() as connection:
        channel = connection.default_channel
        assert tuple(channel.priority_steps) == PRIORITY_STEPS
        for priority in range(11):
            message = {"properties": {"priority": broker_priority(priority)}}
            broker = channel._get_message_priority(message, reverse=False)
            theirs = channel._q_for_pri(queue_name(LLMProviderType.GOOGLE), broker)
            assert pointer_list(LLMProviderType.GOOGLE, priority) == theirs


def test_each_push_has_a_delivery_tag_of_its_own():
    tags = {json.loads(pointer("q", LLMProviderType.MOCK, 0))["properties"]["delivery_tag"] for _ in range(50)}
    assert len(tags) == 50


async def test_the_message_holds_no_word_of_the_prompt(house):
    await house.ledger.admit(stored(prompt="canary-essay"))
    for name in list_names("umpire.mock"):
        for message in await house.messages(name):
            assert b"canary" not in message
            assert b"canary" not in b64decode(json.loads(message)["body"])


def test_a_stock_celery_worker_runs_what_admission_pushed_most_urgent_first(celery, redis_url):
    ran = []

    def keep(queue_id):
        ran.append(queue_id)

    celery.task(name=COMPARE_TASK, shared=False)(keep)
    wanted = [stored(priority=priority) for priority in (0, 5, 10, 3)]

    async def admit():
        client = connect(redis_url, timeout=2.0)
        ledger = Ledger(client, LedgerSettings())
        for request in wanted:
            await ledger.admit(request)
        await client.aclose()

    asyncio.run(admit())
    with start_worker(celery, pool="solo", perform_ping_check=False, queues=[queue_name(LLMProviderType.MOCK)]):
        poll(lambda: len(ran) == len(wanted), 20, what="all ran")
    in_order = sorted(wanted, key=lambda request: -request.request.priority)
    assert ran == [str(request.queue_id) for request in in_order]
