"""`umpire worker`: one worker process, or the supervisor of several."""

from dataclasses import replace
from pathlib import Path

from cli.failure import USAGE, Failure
from contracts.enums import LLMProviderType
from contracts.settings import PROVIDER_CLASSES, Settings, variables


def serve_workers(
    settings: Settings, name: str | None, concurrency: int | None, processes: int | None, ready_file: Path | None
) -> int:
    """Run workers. `name`: of the provider; None: all that are enabled. Returns the exit code."""
    if name is None:
        return _supervise(settings, settings.enabled)
    provider = LLMProviderType(name)
    check_enabled(settings, provider)
    count = processes or settings.providers[provider].processes
    if count == 1:
        return _work(settings, provider, concurrency, ready_file)
    settings = _with(settings, provider, processes=count)
    options = () if concurrency is None else ("--concurrency", str(concurrency))
    return _supervise(settings, [provider], options)


def _supervise(settings: Settings, providers: list[LLMProviderType], options: tuple[str, ...] = ()) -> int:
    import asyncio

    from cli.console import say
    from cli.serve.workers import supervise

    asyncio.run(supervise(settings, providers, say, options))
    return 0


def _work(settings: Settings, provider: LLMProviderType, concurrency: int | None, ready_file: Path | None) -> int:
    if ready_file:
        _touch_when_ready(ready_file)
    from tasks.worker import run

    return run(with_concurrency(settings, provider, concurrency) if concurrency else settings, provider)


def _touch_when_ready(path: Path) -> None:
    from celery.signals import worker_ready

    def touch(**_: object) -> None:
        path.touch()

    worker_ready.connect(touch, weak=False)


def check_enabled(settings: Settings, provider: LLMProviderType) -> None:
    """Raises Failure if the provider is not enabled; it names the missing setting."""
    if provider not in settings.enabled:
        names = {field: name for name, field in variables(PROVIDER_CLASSES[provider]).items()}
        setting = names["enabled" if provider is LLMProviderType.MOCK else "api_key"]
        raise Failure(f"{provider.value} is not enabled; set {setting}", code=USAGE)


def with_concurrency(settings: Settings, provider: LLMProviderType, concurrency: int) -> Settings:
    """The settings with this number of slots for the provider, which is also the size of its connection pool."""
    return _with(settings, provider, concurrency=concurrency)


def _with(settings: Settings, provider: LLMProviderType, **fields: int) -> Settings:
    changed = settings.providers[provider].model_copy(update=fields)
    return replace(settings, providers={**settings.providers, provider: changed})
