"""What the embedded broker had is published on its successor again, with the same event ids."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from umpire_cli import Up, umpire
from umpire_worker import Inbox

from cli.client.api_client import ApiClient
from cli.client.prompt import comparison_prompt
from contracts.topics import result_event_id
from devtools.servers import poll

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

MakeUp = Callable[..., Up]

TOPIC = "verdicts.of.this.test"


def submit(up: Up, count: int) -> set[str]:
    client = ApiClient(up.stack["api"])
    body = {
        "user_prompt": comparison_prompt("One.", "Two."),
        "callback_topic": TOPIC,
        "processing_mode": "queue",
        "metadata": {"note": "Größe"},
    }
    answers = [client.compare(body) for _ in range(count)]
    client.close()
    return {answer.body["queue_id"] for answer in answers}


def events_on(up: Up, wanted: set[str], seconds: float = 60) -> dict[str, tuple[bytes | None, bytes | None]]:
    """Event id → value and the `redelivery` header, of the last event of each of these requests."""
    inbox = Inbox(up.stack["kafka"], TOPIC)
    missing = {str(result_event_id(queue_id)) for queue_id in wanted}

    def found() -> dict[str, tuple[bytes | None, bytes | None]] | None:
        events = {}
        for message in inbox.look():
            headers = dict(message.headers() or [])
            events[headers["event_id"].decode()] = (message.value(), headers.get("redelivery"))
        return events if events.keys() >= missing else None

    events = poll(found, seconds, what=f"{len(wanted)} events")
    inbox.close()
    assert events
    return events


def test_a_killed_broker_with_a_hundred_results(up: MakeUp) -> None:
    running = up()
    queue_ids = submit(running, 100)
    before = events_on(running, queue_ids)
    old = running.stack
    os.kill(old["pids"]["kafka"], signal.SIGKILL)
    poll(lambda: running.stack["kafka"] != old["kafka"], 30, what="a new broker")
    after = events_on(running, queue_ids)
    assert {event_id: value for event_id, (value, _) in after.items()} == {
        event_id: value for event_id, (value, _) in before.items()
    }
    assert {header for _, header in after.values()} == {b"1"}
    assert "kafka has lost all events that it had: results that ended since 20" in running.text
    poll(lambda: "100 results were given to the new kafka again" in running.text, 10)
    # The stack goes on, and an operator may ask for the same.
    more = submit(running, 3)
    events_on(running, more)
    done = umpire("redeliver", "--since", "1h", "--data-dir", running.data_dir)
    assert (done.returncode, done.stdout.split("\n")[0]) == (0, "103 redelivered"), done.stderr


def test_a_stack_that_was_stopped_and_started_again(up: MakeUp, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = up(data_dir=data)
    queue_ids = submit(first, 5)
    before = events_on(first, queue_ids)
    assert "kafka begins without" not in first.text
    assert first.stop() == 0
    second = up(data_dir=data)
    after = events_on(second, queue_ids)
    assert {event_id: value for event_id, (value, _) in after.items()} == {
        event_id: value for event_id, (value, _) in before.items()
    }
    assert "kafka begins without the events of earlier runs" in second.text


def test_where_no_results_are_kept_it_says_what_is_lost(up: MakeUp) -> None:
    running = up(UMPIRE_RESULTS_KEEP_SECONDS="0")
    events_on(running, submit(running, 1))
    old = running.stack
    os.kill(old["pids"]["kafka"], signal.SIGKILL)
    poll(lambda: running.stack["kafka"] != old["kafka"], 30, what="a new broker")
    poll(lambda: "no results are kept (UMPIRE_RESULTS_KEEP_SECONDS=0)" in running.text, 10)
    done = umpire("redeliver", "--since", "1h", "--data-dir", running.data_dir)
    assert (done.returncode, done.stdout) == (0, "0 redelivered\n")
    assert "UMPIRE_RESULTS_KEEP_SECONDS is 0" in done.stderr
