"""`umpire worker` without a provider: one child for each enabled provider."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from cli.children import environment, umpire
from cli.part import Launch, Part
from cli.supervisor import Group, for_ever, run
from contracts.enums import LLMProviderType
from contracts.settings import Settings

#: Seconds that a worker may take beyond its drain, to hand back what it did not start and to flush its producer.
SLACK_SECONDS = 10.0


def worker_part(
    settings: Settings,
    provider: LLMProviderType,
    index: int,
    ready_file: Path,
    say: Callable[[str], None],
    surroundings: Callable[[], dict[str, str]],
    patience: float | None = 60.0,
) -> Part:
    def launch() -> Launch:
        ready_file.unlink(missing_ok=True)
        extra = {}
        if settings.telemetry.metrics_port:  # one port each; 0 is any free one anyway
            extra["UMPIRE_METRICS_PORT"] = str(settings.telemetry.metrics_port + index)
        command = umpire("worker", "--provider", provider.value, "--ready-file", str(ready_file))
        return Launch(command, {**surroundings(), **extra})

    async def ready() -> bool:
        return ready_file.exists()  # noqa: ASYNC240 - a stat of a local file

    grace = settings.worker.drain_seconds + SLACK_SECONDS
    return Part(f"worker-{provider.value}", launch, say, ready=ready, grace=grace, patience=patience)


async def supervise(settings: Settings, say: Callable[[str], None]) -> None:
    """Keep a worker of each enabled provider until SIGTERM. Raises Failure when one does not start."""

    async def announce() -> None:
        say(f"workers are ready: {', '.join(provider.value for provider in settings.enabled)}")
        await for_ever()

    with tempfile.TemporaryDirectory(prefix="umpire-") as directory:
        ready_files = [Path(directory, f"{provider.value}.ready") for provider in settings.enabled]
        parts = [
            worker_part(settings, provider, index, ready_file, say, environment, patience=None)
            for index, (provider, ready_file) in enumerate(zip(settings.enabled, ready_files, strict=True))
        ]
        await run(Group(parts), announce, say)
