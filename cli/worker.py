"""`umpire worker --provider X`: one worker process."""

from pathlib import Path

from cli.environment import USAGE
from cli.failure import Failure
from contracts.enums import LLMProviderType
from contracts.settings import Settings
from contracts.settings.load import PROVIDER_CLASSES, variables


def worker(settings: Settings, provider: LLMProviderType, concurrency: int | None, ready_file: Path | None) -> int:
    if provider not in settings.enabled:
        names = {field: name for name, field in variables(PROVIDER_CLASSES[provider]).items()}
        setting = names["enabled" if provider is LLMProviderType.MOCK else "api_key"]
        raise Failure(f"{provider.value} is not enabled; set {setting}", code=USAGE)
    if ready_file:
        _touch_when_ready(ready_file)
    from tasks.worker import run

    return run(settings, provider, concurrency)


def _touch_when_ready(path: Path) -> None:
    from celery.signals import worker_ready

    def touch(**_: object) -> None:
        path.touch()

    worker_ready.connect(touch, weak=False)
