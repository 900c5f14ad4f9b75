"""`umpire compare A.txt B.txt`: submits a comparison, follows its callback topic, and prints the verdict."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.markup import escape

from cli.client.api_client import Answer, ApiClient
from cli.client.follow import Follower, Verdict
from cli.client.prompt import comparison_prompt
from cli.client.verdict import panel
from cli.console import err, out, show_json
from cli.environment import USAGE
from cli.failure import Failure
from cli.stack.data_directory import is_private_stack, read_stack
from contracts.encoding import dumps
from contracts.settings import KafkaSettings, Settings
from contracts.topics import COMPARISON_RESULT

OK, ERROR = 0, 1
_ACCEPTED = 202


@dataclass(frozen=True)
class CompareOptions:
    essay_a: Path
    essay_b: Path
    topic: str | None
    question: str | None
    provider: str | None
    model: str | None
    timeout: float


def compare(
    settings: Settings, asked: CompareOptions, *, wait: bool, as_json: bool, api: str | None, data_dir: Path
) -> int:
    url, kafka = locate(settings, api, data_dir)
    topic = asked.topic or settings.kafka.topic_prefix + COMPARISON_RESULT
    request = _request(asked, topic)
    client = ApiClient(url, key_for(settings, api, data_dir))
    # The follower starts at the topic's end before the request is sent, so that it cannot miss the verdict.
    follower = Follower(kafka, topic) if wait else None
    try:
        answer = client.compare(request, prefer=None if wait else "respond-async")
        shown = _Shown(asked, as_json=as_json)
        if answer.status != _ACCEPTED or follower is None:
            return shown.answer(answer)
        queue_id = str(answer.body["queue_id"])
        if not as_json:
            err.print(f"accepted as {queue_id}; its verdict comes on {topic}", markup=False)
        event = _await_event(follower, queue_id, asked.timeout)
        if event is None:
            raise Failure(f"no verdict for {queue_id} within {asked.timeout:g} s; it still comes on {topic}")
        return shown.event(event)
    finally:
        client.close()
        if follower:
            follower.close()


def locate(settings: Settings, api: str | None, data_dir: Path) -> tuple[str, KafkaSettings]:
    """URL of the API, and Kafka: from --api or the settings if given, else from a stack in the data directory."""
    stack = read_stack(data_dir) or {}
    service = settings.service
    configured = f"http://{service.host}:{service.port}"
    if not api:
        api = configured if _is_named(api) else stack.get("api", configured)
    kafka = settings.kafka
    if "UMPIRE_KAFKA_BOOTSTRAP" not in os.environ and stack.get("kafka"):
        kafka = kafka.model_copy(update={"kafka_bootstrap": stack["kafka"]})
    return api, kafka


def _is_named(api: str | None) -> bool:
    return bool(api or {"UMPIRE_HOST", "UMPIRE_PORT"} & os.environ.keys())


def key_for(settings: Settings, api: str | None, data_dir: Path) -> SecretStr | None:
    """UMPIRE_API_KEY, if the user named the address or the user's own stack.json does.

    Raises Failure for the default address, since any user of this machine may listen there.
    """
    key = settings.client.api_key
    if key is None or _is_named(api) or is_private_stack(data_dir):
        return key
    raise Failure(
        "UMPIRE_API_KEY is set, and no address was named to send it to: name it with --api or UMPIRE_PORT, or the data "
        "directory of your `umpire up` with --data-dir (its stack.json is readable by you only)",
        code=USAGE,
    )


def _request(asked: CompareOptions, topic: str) -> dict[str, Any]:
    overrides = {"provider_override": asked.provider, "model_override": asked.model}
    request: dict[str, Any] = {
        "user_prompt": comparison_prompt(_read(asked.essay_a), _read(asked.essay_b), asked.question),
        "callback_topic": topic,
        "metadata": {"essay_a_id": asked.essay_a.name, "essay_b_id": asked.essay_b.name},
    }
    chosen = {name: value for name, value in overrides.items() if value}
    return request | ({"llm_config_overrides": chosen} if chosen else {})


def _read(path: Path) -> str:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path} cannot be read as UTF-8 text", code=2) from error
    if not text.strip():
        raise Failure(f"{path} is empty", code=2)
    return text


def _await_event(follower: Follower, queue_id: str, timeout: float) -> Verdict | None:
    for event in follower.events(time.monotonic() + timeout):
        if event is not None and event.data.request_id == queue_id:
            return event
    return None


class _Shown:
    """Prints an answer or event; its methods return the exit code."""

    def __init__(self, asked: CompareOptions, *, as_json: bool) -> None:
        self._names = {"Essay A": asked.essay_a.name, "Essay B": asked.essay_b.name}
        self._as_json = as_json

    def answer(self, answer: Answer) -> int:
        verdict, accepted = "winner" in answer.body, answer.status == _ACCEPTED
        if self._as_json:
            show_json(dumps(answer.body))
        elif verdict:
            out.print(panel(answer.body, self._names), soft_wrap=False)
        elif accepted:
            out.print(f"accepted as {answer.body['queue_id']}", markup=False)
        else:
            self._error(answer.body)
        return OK if verdict or accepted else ERROR

    def event(self, event: Verdict) -> int:
        failed = event.data.error_detail
        if self._as_json:
            show_json(event.model_dump_json())
        elif failed is None:
            out.print(panel(event.data.model_dump(mode="json"), self._names), soft_wrap=False)
        else:
            self._error({"error_code": failed.error_code.value, "detail": failed.message})
        return ERROR if failed else OK

    def _error(self, problem: dict[str, Any]) -> None:
        code, detail = problem.get("error_code", "error"), problem.get("detail", "no reason was given")
        err.print(f"[bold red]{escape(str(code))}[/bold red]  ", end="")
        err.print(str(detail), markup=False)
