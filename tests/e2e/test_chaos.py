"""The short form of the chaos suite: the quick faults, a few hundred comparisons. `make chaos` is the full one."""

import subprocess
import sys
from pathlib import Path

import pytest

from devtools.servers import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.redis, pytest.mark.kafka, pytest.mark.aimock, pytest.mark.timeout(480)]


@pytest.mark.usefixtures("every_server")
def test_nothing_is_lost_or_paid_twice_while_parts_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a random seed. The last line of the output names the folder of the journals."""
    run = subprocess.Popen(
        [sys.executable, "-m", "chaos", "--short", "--out", str(tmp_path / "chaos")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        output, _ = run.communicate(timeout=400)
    finally:
        run.terminate()  # it stops what it started
    with capsys.disabled():
        print(f"\n{output[-6000:]}")  # noqa: T201
    assert run.returncode == 0
