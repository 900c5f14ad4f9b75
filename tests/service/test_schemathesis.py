"""The door keeps its own OpenAPI: schemathesis, all checks and all phases, on a real server and a real Redis.

Exceptions, each with its reason:
- 413 is a right answer to a body that breaks a length; schemathesis' own list of refusals has no 413.
- Which models there are, and how long their answers may be, depends on the provider, which no schema can express:
  generated names and lengths are replaced by ones that exist (umpire_openapi_hooks).
- Nor that an Idempotency-Key is for one request only: each generated one that is well-formed is made unique.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import umpire_openapi_hooks
from umpire_service import MOCK, door, settings_of

from providers.manifest import Manifest

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
    async with door(settings_of(redis_url, immediate_wait_seconds=0)) as api:
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
    statuses = {note.labels["status"] for note in api.notes.named("door.answered")}
    assert {"200", "202", "404", "405", "422"} <= statuses


def test_the_model_that_stands_for_all_exists():
    assert Manifest.load().find(MOCK, umpire_openapi_hooks.MODEL)
