"""The Celery message of a comparison, built by hand so that admission can push it in the same Lua script as the record.

Celery message protocol 2 in kombu's virtual transport envelope. Once parsed it equals what kombu writes for the same
task, except for random ids: tests/ledger/test_message.py checks this.
"""

import os
import socket
from base64 import b64encode
from functools import cache
from itertools import count
from uuid import uuid4

from contracts.encoding import dumps
from contracts.enums import LLMProviderType
from contracts.queues import COMPARE_TASK, broker_priority, list_name, priority_step, queue_name

_ARGS_BEFORE, _ARGS_AFTER = dumps(
    [["%"], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
).split(b"%")
_ORIGIN = f"gen{os.getpid()}@{socket.gethostname()}"
_REPLY_TO = str(uuid4())
#: Delivery tags: a random prefix for the process, then a counter. A uuid4 each would cost a system call.
_TAG = uuid4().hex
_numbers = count()


def pointer_list(provider: LLMProviderType, priority: int) -> str:
    """The Redis list that kombu's workers pop a message of our priority (0–10) from."""
    return priority_list(provider, broker_priority(priority))


@cache
def priority_list(provider: LLMProviderType, broker: int) -> str:
    """The same for a broker priority (0 first), as the record stores it."""
    return list_name(queue_name(provider), priority_step(broker))


def pointer(queue_id: str, provider: LLMProviderType, priority: int) -> bytes:
    """A Celery message that runs `queue_id`, at our priority (0–10)."""
    return pointer_at(queue_id, provider, broker_priority(priority))


def pointer_at(queue_id: str, provider: LLMProviderType, broker: int) -> bytes:
    """The same at a broker priority. The delivery tag is new each time: kombu stores unacked messages under it."""
    body = b64encode(_ARGS_BEFORE + queue_id.encode() + _ARGS_AFTER)
    tag = f"{_TAG}.{next(_numbers)}"
    return _template(provider, broker) % {b"id": queue_id.encode(), b"body": body, b"tag": tag.encode()}


@cache
def _template(provider: LLMProviderType, broker: int) -> bytes:
    """The parts of the message that all requests share; cached, since every admit needs them."""
    message = {
        "body": "%(body)s",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": COMPARE_TASK,
            "id": "%(id)s",
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "group_index": None,
            "retries": 0,
            "timelimit": [None, None],
            "root_id": "%(id)s",
            "parent_id": None,
            "argsrepr": "('%(id)s',)",
            "kwargsrepr": "{}",
            "origin": _ORIGIN.replace("%", "%%"),
            "ignore_result": True,
            "replaced_task_nesting": 0,
            "stamped_headers": None,
            "stamps": {},
        },
        "properties": {
            "correlation_id": "%(id)s",
            "reply_to": _REPLY_TO,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue_name(provider)},
            "priority": broker,
            "body_encoding": "base64",
            "delivery_tag": "%(tag)s",
        },
    }
    return dumps(message)
