"""LiteLLM's proxy, from PyPI, in a separate environment."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.peer import MODEL, Peer
from devtools.servers import CACHE, ServerMissing

_HOME = CACHE / "peers/litellm"
_STAMP = _HOME / "lock.sha256"
#: Two releases of this package carried malware for some hours (1.82.7 and .8 in March 2026, 1.107.0 in October). The
#: lock holds nothing newer than a week, with hashes, and only wheels are taken: no package's code runs to install it.
#: Made with `uv pip compile --universal --generate-hashes --no-emit-index-url --annotation-style line --no-header
#: --python-version 3.11 --exclude-newer 2026-11-19T00:00:00Z`, of `litellm[proxy]` and `httptools`: uvicorn takes that
#: for its parser where it is, and LiteLLM does not ask for it.
_LOCK = Path(__file__).with_name("litellm.lock")
_VERSION = re.compile(r"^litellm==(\S+)", re.MULTILINE)
_PROCESSES = 2

ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    # No network access: no price list, no model list, no telemetry.
    "LITELLM_OFFLINE_MODE": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY_DISABLED": "true",
    # Neither umpire nor the other peer asks for a key here.
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}


def version() -> str:
    (found,) = _VERSION.findall(_LOCK.read_text())
    return str(found)


def install() -> None:
    # By the same interpreter as ours: how it was compiled makes a quarter of the speed.
    wanted = hashlib.sha256(_LOCK.read_bytes() + f"{sys.base_prefix} {sys.version}".encode()).hexdigest()
    if _STAMP.exists() and _STAMP.read_text() == wanted:
        return
    print(f"installing LiteLLM {version()} into {_HOME} …", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(_HOME)])
    pip = [str(_HOME / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    _run([*pip, "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(_LOCK)])
    _STAMP.write_text(wanted)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        raise ServerMissing("litellm", f"{command[-1]}: {done.stderr[-500:]}")


def command(port: int, upstream: str, folder: Path) -> Sequence[str]:
    route = {"model": f"anthropic/{MODEL}", "api_base": upstream, "api_key": "benchmark"}
    config = folder / "litellm.yaml"  # JSON is YAML, too
    config.write_text(
        json.dumps(
            {
                "model_list": [{"model_name": MODEL, "litellm_params": route}],
                "litellm_settings": {"callbacks": [], "num_retries": 0, "set_verbose": False},
            }
        )
    )
    options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", str(_PROCESSES)]
    # uvicorn's default of 5 s ends workers that are still importing on a busy machine, and starts them again.
    # By its interpreter: the script names the checkout that installed it, and .cache may be shared with others.
    return [str(_HOME / "bin/python"), str(_HOME / "bin/litellm"), *options, "--timeout_worker_healthcheck", "60"]


def headers(_upstream: str) -> Mapping[str, str]:
    return {}


LITELLM = Peer(
    name="litellm",
    version=version(),
    install=install,
    command=command,
    environment=ENVIRONMENT,
    health="/health/readiness",
    # Its main way in, in OpenAI's form, and its fastest here. CPU a request on one busy day: this 11 to 16 ms,
    # /v1/messages 20, that with LITELLM_RUST=true (for /v1/messages only) 16 to 19, this on --run_granian 15 to 16.
    path="/v1/chat/completions",
    headers=headers,
)
