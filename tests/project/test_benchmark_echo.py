"""The endpoint that only echoes is the product's own server, so it must start as that does."""

import sys

import httpx2

from benchmarks.load import comparison_body
from devtools.servers import Process, free_port, port_open


def test_it_serves_in_place_of_the_api(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.echo", str(port)]
    settings = {"UMPIRE_MOCK_ENABLED": "true", "UMPIRE_DEFAULT_PROVIDER": "mock"}
    process = Process("echo", command, tmp_path / "log", settings)
    process.start(lambda: port_open(port), 30)
    try:
        headers = {"content-type": "application/json"}
        url = f"http://127.0.0.1:{port}/api/v1/comparison"
        answer = httpx2.post(url, content=comparison_body("a.topic"), headers=headers)
    finally:
        process.kill()
    assert answer.status_code == 202
    assert answer.json()["message"] == "echo"
