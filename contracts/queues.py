"""Names on the broker that the API and the workers share, so that neither imports the other."""

from functools import cache

from contracts.enums import LLMProviderType

#: Celery task that runs one comparison; its only argument is the queue id.
COMPARE_TASK = "tasks.compare"

#: kombu's priority lists of one queue, 0 being consumed first. Must equal the worker's `priority_steps`.
PRIORITY_STEPS = (0, 3, 6, 9)

#: kombu's separator between queue name and priority step. A queue name must not hold it.
PRIORITY_SEPARATOR = ":"


def queue_name(provider: LLMProviderType) -> str:
    return f"umpire.{provider.value}"


def broker_priority(priority: int) -> int:
    """Convert our priority (0–10, higher is more urgent) to kombu's on Redis, where 0 is the most urgent."""
    return 9 - min(priority, 9)


@cache
def priority_step(broker: int) -> int:
    """The priority step of the list into which kombu puts a message of this broker priority."""
    return max(step for step in PRIORITY_STEPS if step <= broker)


def list_name(queue: str, step: int) -> str:
    """The Redis list of one priority step, as kombu names it."""
    return f"{queue}{PRIORITY_SEPARATOR}{step}" if step else queue


def list_names(queue: str) -> list[str]:
    """All lists of a queue, most urgent first."""
    return [list_name(queue, step) for step in PRIORITY_STEPS]
