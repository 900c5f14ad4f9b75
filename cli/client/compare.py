"""`umpire compare A.txt B.txt`: submits a comparison, follows its callback topic, and prints the verdict."""

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.markup import escape
from rich.panel import Panel

from cli.client.api_client import Answer, ApiClient
from cli.client.follow import Follower, Verdict
from cli.client.prompt import comparison_prompt
from cli.console import err, out, show_json
from cli.failure import USAGE, Failure
from cli.stack.data_directory import is_private_stack, read_stack
from contracts.enums import LLMProviderType
from contracts.settings import KafkaSettings, Settings
from contracts.topics import COMPARISON_RESULT

OK, ERROR = 0, 1
_MS_PER_SECOND = 1000


@dataclass(frozen=True)
class CompareOptions:
    essay_a: Path
    essay_b: Path
    topic: str | None
    question: str | None
    provider: LLMProviderType | None
    model: str | None
    timeout: float


def compare(
    settings: Settings, options: CompareOptions, *, wait: bool, as_json: bool, api: str | None, data_dir: Path
) -> int:
    url, kafka = locate(settings, api, data_dir)
    topic = options.topic or settings.kafka.topic_prefix + COMPARISON_RESULT
    request = _request(options, topic)
    names = {"Essay A": options.essay_a.name, "Essay B": options.essay_b.name}
    with closing(ApiClient(url, key_for(settings, api, data_dir))) as client, ExitStack() as stack:
        # The follower starts at the topic's end before the request is sent, so that it cannot miss the verdict.
        follower = stack.enter_context(closing(Follower(kafka, topic))) if wait else None
        answer = client.compare(request, prefer=None if wait else "respond-async")
        if answer.status != HTTPStatus.ACCEPTED or follower is None:
            return _show_answer(answer, names, as_json=as_json)
        queue_id = str(answer.body["queue_id"])
        if not as_json:
            err.print(f"accepted as {queue_id}; its verdict comes on {topic}", markup=False)
        for event in follower.events(time.monotonic() + options.timeout):
            if event is not None and event.data.request_id == queue_id:
                return _show_event(event, names, as_json=as_json)
        raise Failure(f"no verdict for {queue_id} within {options.timeout:g} s; it will still come on {topic}")


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
    """UMPIRE_API_KEY, if the address comes from the user or from the user's own stack.json.

    Raises Failure for the default address, since any user of this machine may listen there.
    """
    key = settings.client.api_key
    if key is None or _is_named(api) or is_private_stack(data_dir):
        return key
    raise Failure(
        "UMPIRE_API_KEY is set, but no address was named to send it to. Name the API with --api or UMPIRE_PORT, or the "
        "data directory of your `umpire up` with --data-dir",
        code=USAGE,
    )


def _request(options: CompareOptions, topic: str) -> dict[str, Any]:
    overrides = {"provider_override": options.provider, "model_override": options.model}
    request: dict[str, Any] = {
        "user_prompt": comparison_prompt(_read(options.essay_a), _read(options.essay_b), options.question),
        "callback_topic": topic,
        "metadata": {"essay_a_id": options.essay_a.name, "essay_b_id": options.essay_b.name},
    }
    chosen = {name: value for name, value in overrides.items() if value}
    return request | ({"llm_config_overrides": chosen} if chosen else {})


def _read(path: Path) -> str:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path} cannot be read as UTF-8 text", code=USAGE) from error
    if not text.strip():
        raise Failure(f"{path} is empty", code=USAGE)
    return text


def _show_answer(answer: Answer, names: Mapping[str, str], *, as_json: bool) -> int:
    """Print an HTTP answer. Returns the exit code."""
    verdict, accepted = "winner" in answer.body, answer.status == HTTPStatus.ACCEPTED
    if as_json:
        show_json(answer.body)
    elif verdict:
        out.print(panel(answer.body, names), soft_wrap=False)
    elif accepted:
        out.print(f"accepted as {answer.body['queue_id']}", markup=False)
    else:
        _show_error(answer.body.get("error_code", "error"), answer.body.get("detail", "no reason was given"))
    return OK if verdict or accepted else ERROR


def _show_event(event: Verdict, names: Mapping[str, str], *, as_json: bool) -> int:
    """Print a result event. Returns the exit code."""
    error = event.data.error_detail
    if as_json:
        show_json(event)
    elif error is None:
        out.print(panel(event.data.model_dump(mode="json"), names), soft_wrap=False)
    else:
        _show_error(error.error_code.value, error.message)
    return ERROR if error else OK


def _show_error(code: str, detail: str) -> None:
    err.print(f"[bold red]{escape(code)}[/bold red]  ", end="")
    err.print(detail, markup=False)


def panel(verdict: Mapping[str, Any], names: Mapping[str, str]) -> Panel:
    """A panel of a result event's data or of a 200 answer, which share these fields. `names`: winner → file name."""
    winner = str(verdict["winner"])
    name = f" ({names[winner]})" if winner in names else ""
    metadata = verdict.get("request_metadata", verdict.get("metadata")) or {}
    cost = verdict.get("cost_estimate")
    facts = [
        f"{verdict['provider']} {verdict['model']}",
        f"{verdict['response_time_ms'] / _MS_PER_SECOND:.1f} s",
        f"{verdict['token_usage']['total_tokens']} tokens",
        f"${cost:.5f}" if cost is not None and metadata.get("cost_known", True) else "price unknown",
    ]
    return Panel(
        f"[bold green]{escape(winner)}[/bold green]{escape(name)}   confidence {verdict['confidence']:g} of 5\n\n"
        f"{escape(str(verdict['justification']))}\n\n[dim]{escape(' · '.join(facts))}[/dim]",
        title="verdict",
        title_align="left",
    )
