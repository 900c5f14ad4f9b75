"""`umpire worker`: one worker process, or a supervisor with children for one provider or for each enabled one."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from cli.failure import USAGE, Failure
from cli.supervise.children import child_environment, shared_metrics, umpire
from cli.supervise.part import Launch, StackPart
from cli.supervise.supervisor import Supervisor, for_ever, run
from contracts.enums import LLMProviderType
from contracts.settings import PROVIDER_CLASSES, Settings, variables

#: Seconds that a worker may take after its drain, to release requests that it did not start and flush its producer.
SLACK_SECONDS = 10.0


def serve_workers(
    settings: Settings,
    provider: LLMProviderType | None,
    concurrency: int | None,
    processes: int | None,
    ready_file: Path | None,
) -> int:
    """Run workers. `provider`: None means all that are enabled. Returns the exit code."""
    providers = settings.enabled
    options: tuple[str, ...] = ()
    if provider is not None:
        check_enabled(settings, provider)
        count = processes or settings.providers[provider].processes
        if count == 1:
            return _work(settings, provider, concurrency, ready_file)
        settings = with_fields(settings, provider, processes=count)
        providers = [provider]
        options = ("--concurrency", str(concurrency)) if concurrency else ()
    asyncio.run(_supervise(settings, providers, options))
    return 0


def _work(settings: Settings, provider: LLMProviderType, concurrency: int | None, ready_file: Path | None) -> int:
    from celery.signals import worker_ready

    from tasks.worker import run

    if ready_file:
        worker_ready.connect(lambda **_: ready_file.touch(), weak=False)
    return run(with_fields(settings, provider, concurrency=concurrency) if concurrency else settings, provider)


def check_enabled(settings: Settings, provider: LLMProviderType) -> None:
    """Raises Failure if the provider is not enabled; it names the missing setting."""
    if provider not in settings.enabled:
        names = {field: name for name, field in variables(PROVIDER_CLASSES[provider]).items()}
        setting = names["enabled" if provider is LLMProviderType.MOCK else "api_key"]
        raise Failure(f"{provider.value} is not enabled; set {setting}", code=USAGE)


def with_fields(settings: Settings, provider: LLMProviderType, **fields: int) -> Settings:
    """The settings with these fields of the provider, such as `concurrency`, its slots and connections."""
    changed = settings.providers[provider].model_copy(update=fields)
    return replace(settings, providers={**settings.providers, provider: changed})


async def _supervise(settings: Settings, providers: list[LLMProviderType], options: tuple[str, ...]) -> None:
    """Keep the workers of these providers until SIGTERM. Raises Failure when one does not start."""
    from cli.console import say

    async def announce() -> None:
        say(f"workers are ready: {', '.join(part.name.removeprefix('worker-') for part in parts)}")
        await for_ever()

    with tempfile.TemporaryDirectory(prefix="umpire-") as folder, shared_metrics(settings) as metrics:
        environment, make = partial(child_environment, metrics), partial(StackPart, say=say, start_timeout=None)
        parts = [part for _, part in worker_parts(settings, providers, Path(folder), environment, make, options)]
        await run(Supervisor(parts), announce, say)


def worker_parts(
    settings: Settings,
    providers: list[LLMProviderType],
    folder: Path,
    environment: Callable[[], dict[str, str]],
    make: Callable[..., StackPart],
    options: tuple[str, ...] = (),
) -> Iterator[tuple[LLMProviderType, StackPart]]:
    """The worker processes of these providers as parts. The metrics port of the n-th is the supervisor's + n.

    `folder`: for the files that they write once they consume. `make`: StackPart with the fields that all parts have.
    """
    port = settings.telemetry.metrics_port
    for provider in providers:
        count = settings.providers[provider].processes
        for number in range(1, count + 1):
            name = f"worker-{provider.value}" + (f"-{number}" if count > 1 else "")
            ready_file = folder / f"{name}.ready"
            one = ("--provider", provider.value, "--processes", "1", "--ready-file", str(ready_file))
            port = port and port + 1
            extra = {"UMPIRE_METRICS_PORT": str(port)} if port else {}
            launch = partial(_launch, ready_file, umpire("worker", *one, *options), environment, extra)
            grace = settings.worker.drain_seconds + SLACK_SECONDS
            yield provider, make(name, launch, ready=partial(_exists, ready_file), grace=grace)


def _launch(
    ready_file: Path, command: list[str], environment: Callable[[], dict[str, str]], extra: Mapping[str, str]
) -> Launch:
    ready_file.unlink(missing_ok=True)
    return Launch(command, {**environment(), **extra})


async def _exists(file: Path) -> bool:
    return file.exists()  # noqa: ASYNC240 - a stat of a local file
