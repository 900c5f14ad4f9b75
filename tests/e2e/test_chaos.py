"""The short form of the chaos suite: the quick faults, a few hundred comparisons. `make chaos` is the full one."""

import subprocess
import sys
from pathlib import Path

import pytest
from umpire_servers import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.redis, pytest.mark.kafka, pytest.mark.aimock, pytest.mark.timeout(420)]


@pytest.mark.usefixtures("every_server")
def test_nothing_is_lost_or_paid_twice_while_parts_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By another seed each time. Of a run that fails, the ledgers stay where its last line says."""
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "--short", "--out", str(tmp_path / "chaos")],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    with capsys.disabled():
        print(f"\n{done.stdout[-6000:]}")  # noqa: T201
    assert done.returncode == 0, done.stderr[-3000:]
