"""openapi-typescript: the generator of clients' types that others use, from npm."""

import json
import shutil
import subprocess
from pathlib import Path

from devtools.servers import CACHE, ServerMissing

VERSION, TYPESCRIPT = "7.13.0", "5.9.3"
HOME = CACHE / "openapi-typescript"
CLI = HOME / "node_modules/openapi-typescript/bin/cli.js"


def install_openapi_typescript() -> str:
    """Into .cache/openapi-typescript; does nothing when this version is there."""
    if _installed() == VERSION:
        return f"openapi-typescript {VERSION} is in {HOME}"
    npm = shutil.which("npm")
    if npm is None:
        raise ServerMissing("openapi-typescript", "no npm on PATH")
    HOME.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(HOME), "--no-package-lock", "--no-audit", "--no-fund"]
    command += ["--ignore-scripts", "--save-exact", f"openapi-typescript@{VERSION}", f"typescript@{TYPESCRIPT}"]
    done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise ServerMissing("openapi-typescript", f"npm failed: {done.stderr[-500:]}")
    return f"openapi-typescript {VERSION} installed in {HOME}"


def _installed() -> str | None:
    manifest = CLI.parents[1] / "package.json"
    return json.loads(manifest.read_text())["version"] if manifest.exists() else None


class OpenApiTypescript:
    def __init__(self) -> None:
        node = shutil.which("node")
        if node is None:
            raise ServerMissing("openapi-typescript", "no node on PATH")
        if _installed() != VERSION:
            command = "python -m devtools install-openapi-typescript"
            raise ServerMissing("openapi-typescript", f"run `{command}`")
        self._command = [node, str(CLI)]

    def types(self, document: Path) -> str:
        """TypeScript of an OpenAPI document. Raises CalledProcessError where it is none."""
        target = document.with_suffix(".ts")
        subprocess.run([*self._command, str(document), "--output", str(target)], check=True, timeout=60)
        return target.read_text()
