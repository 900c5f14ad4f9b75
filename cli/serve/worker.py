"""`umpire worker`: one worker process, or the supervisor of several."""

from dataclasses import replace
from pathlib import Path

from cli.serve.enabled import check_enabled, with_concurrency
from contracts.enums import LLMProviderType
from contracts.settings import Settings


def serve(
    settings: Settings, name: str | None, concurrency: int | None, processes: int | None, ready_file: Path | None
) -> int:
    """Run workers. `name`: of the provider; None: all that are enabled. Returns the exit code."""
    if name is None:
        return _supervise(settings, settings.enabled)
    provider = LLMProviderType(name)
    check_enabled(settings, provider)
    its = settings.providers[provider]
    if (processes or its.processes) == 1:
        return worker(settings, provider, concurrency, ready_file)
    several = its.model_copy(update={"processes": processes or its.processes})
    settings = replace(settings, providers={**settings.providers, provider: several})
    options = () if concurrency is None else ("--concurrency", str(concurrency))
    return _supervise(settings, [provider], options)


def _supervise(settings: Settings, providers: list[LLMProviderType], options: tuple[str, ...] = ()) -> int:
    import asyncio

    from cli.console import say
    from cli.serve.workers import supervise

    asyncio.run(supervise(settings, providers, say, options))
    return 0


def worker(settings: Settings, provider: LLMProviderType, concurrency: int | None, ready_file: Path | None) -> int:
    if ready_file:
        _touch_when_ready(ready_file)
    from tasks.worker import run

    return run(with_concurrency(settings, provider, concurrency) if concurrency else settings, provider)


def _touch_when_ready(path: Path) -> None:
    from celery.signals import worker_ready

    def touch(**_: object) -> None:
        path.touch()

    worker_ready.connect(touch, weak=False)
