"""The API matches its own OpenAPI document: all checks and phases of schemathesis, on a real server and a real Redis.

Exceptions, each with its reason:
- 413 is a right answer to a body that breaks a length; schemathesis' own list of refusals has no 413.
- The models, and the lengths of their answers, depend on the provider, which no schema can express: generated names
  and lengths are replaced by existing ones (umpire_openapi_hooks).
- No schema can express that an Idempotency-Key is for one request only: each well-formed generated key is made unique.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import umpire_openapi_hooks
from umpire_service import MOCK, running_api, settings_of

from providers.models.manifest import Manifest

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]

CONFIG = """
hooks = "umpire_openapi_hooks"

[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]
"""


async def test_all_checks_of_schemathesis_pass(redis_url, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", "--checks", "all", "--max-examples", "60"]
    command += ["--generation-deterministic", "--no-color"]
    support = str(Path(umpire_openapi_hooks.__file__).parent)
    async with running_api(settings_of(redis_url, immediate_wait_seconds=0)) as api:
        process = await asyncio.create_subprocess_exec(
            *command,
            f"{api.url}/openapi.json",
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": support},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        # Its reproductions can be a megabyte long.
        shown = "\n".join(line[:500] for line in output.decode().splitlines())
        assert process.returncode == 0, shown
        assert not api.notes.named("error.unexpected")
    statuses = {note.labels["status"] for note in api.notes.named("http.answered")}
    assert {"200", "202", "404", "405", "422"} <= statuses
    redeliveries = {
        note.labels["status"]
        for note in api.notes.named("http.answered")
        if note.labels["route"].endswith("/redeliver")
    }
    assert {"404", "405", "422"} <= redeliveries
    batches = {
        note.labels["status"] for note in api.notes.named("http.answered") if note.labels["route"].endswith("/batch")
    }
    assert {"202", "405", "422"} <= batches


def test_the_model_that_stands_for_all_exists():
    assert Manifest.load().find(MOCK, umpire_openapi_hooks.MODEL)
