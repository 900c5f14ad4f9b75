"""`umpire worker` with several processes: starts children for each enabled provider, or for one of them."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from cli.supervise.children import umpire
from cli.supervise.metrics import child_environment, shared_metrics
from cli.supervise.part import Launch, StackPart
from cli.supervise.supervisor import Supervisor, for_ever, run
from contracts.enums import LLMProviderType
from contracts.settings import Settings

#: Seconds that a worker may take after its drain, to release requests that it did not start and flush its producer.
SLACK_SECONDS = 10.0


def worker_names(settings: Settings, providers: list[LLMProviderType]) -> Iterator[tuple[LLMProviderType, str]]:
    """Provider and name of each worker process."""
    for provider in providers:
        count = settings.providers[provider].processes
        for number in range(1, count + 1):
            yield provider, f"worker-{provider.value}" + (f"-{number}" if count > 1 else "")


def worker_part(
    settings: Settings,
    provider: LLMProviderType,
    name: str,
    index: int,
    ready_file: Path,
    say: Callable[[str], None],
    environment: Callable[[], dict[str, str]],
    start_timeout: float | None = 60.0,
    options: tuple[str, ...] = (),
) -> StackPart:
    """A worker process as a part. `index`: its metrics port is the supervisor's + 1 + index."""

    def launch() -> Launch:
        ready_file.unlink(missing_ok=True)
        extra = {}
        if settings.telemetry.metrics_port:
            extra["UMPIRE_METRICS_PORT"] = str(settings.telemetry.metrics_port + 1 + index)
        command = umpire(
            "worker", "--provider", provider.value, "--processes", "1", "--ready-file", str(ready_file), *options
        )
        return Launch(command, {**environment(), **extra})

    async def ready() -> bool:
        return ready_file.exists()  # noqa: ASYNC240 - a stat of a local file

    grace = settings.worker.drain_seconds + SLACK_SECONDS
    return StackPart(name, launch, say, ready=ready, grace=grace, start_timeout=start_timeout)


async def supervise(
    settings: Settings, providers: list[LLMProviderType], say: Callable[[str], None], options: tuple[str, ...] = ()
) -> None:
    """Keep the workers of these providers until SIGTERM. Raises Failure when one does not start."""

    async def announce() -> None:
        say(f"workers are ready: {', '.join(part.name.removeprefix('worker-') for part in parts)}")
        await for_ever()

    with tempfile.TemporaryDirectory(prefix="umpire-") as directory, shared_metrics(settings) as metrics:
        environment = partial(child_environment, metrics)
        parts = [
            worker_part(
                settings, provider, name, index, Path(directory, f"{name}.ready"), say, environment, None, options
            )
            for index, (provider, name) in enumerate(worker_names(settings, providers))
        ]
        await run(Supervisor(parts), announce, say)
