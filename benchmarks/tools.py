"""The upstream and the load client: two small Go programs, built before the first run."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import OUT, ROOT
from devtools.servers import ServerMissing, clean_environment


@dataclass(frozen=True)
class Tools:
    """The commands of both programs, without their arguments."""

    upstream: Sequence[str]
    load: Sequence[str]


def prepare() -> Tools:
    """Build the programs. Raises ServerMissing without Go."""
    go = shutil.which("go")
    if go is None:
        raise ServerMissing("go", "no go on PATH, which builds the upstream and the load client (golang-go on Debian)")
    binaries = OUT / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    # Downloads neither a toolchain nor a module: the programs need the standard library only.
    subprocess.run(
        [go, "build", "-o", f"{binaries}/", "./..."],
        cwd=ROOT / "benchmarks/go",
        env={**clean_environment(), "GOTOOLCHAIN": "local", "GOPROXY": "off"},
        check=True,
        timeout=300,
    )
    return Tools([str(binaries / "upstream")], [str(binaries / "load")])
