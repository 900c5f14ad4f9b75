"""The upstream and the load client: small Go programs where Go is, else slower ones in Python."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import OUT, ROOT


@dataclass(frozen=True)
class Tools:
    """Commands without their arguments, which are the same in both languages."""

    upstream: Sequence[str]
    load: Sequence[str]
    language: str


def prepare(*, use_go: bool = True) -> Tools:
    go = shutil.which("go") if use_go else None
    if go is None:
        why = "no go on PATH" if use_go else "as asked"
        print(f"{why}: upstream and load client run on Python, and take CPU away from what is measured")
        return Tools(_python("upstream_fallback"), _python("load_fallback"), "python")
    binaries = OUT / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    # No toolchain and no module is fetched: the programs need the standard library only.
    subprocess.run(
        [go, "build", "-o", f"{binaries}/", "./..."],
        cwd=ROOT / "benchmarks/go",
        env={**_environment(), "GOTOOLCHAIN": "local", "GOPROXY": "off"},
        check=True,
        timeout=300,
    )
    return Tools([str(binaries / "upstream")], [str(binaries / "load")], "go")


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{module}"]


def _environment() -> dict[str, str]:
    from devtools.servers import clean_environment

    return clean_environment()
