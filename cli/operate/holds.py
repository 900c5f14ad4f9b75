"""`umpire pause` and `umpire resume`: an operator's hold of a provider."""

import re
from typing import Annotated

import typer

from cli.failure import USAGE, Failure
from cli.options import DEFAULT_DATA, DataDir
from contracts.enums import LLMProviderType

ProviderArgument = Annotated[LLMProviderType, typer.Argument(metavar="PROVIDER", help="Name of the provider.")]

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_UNIT_SECONDS = (86_400, 3_600, 60, 1)

#: Longest pause, in seconds: a longer one is taken for a typing error.
_LONGEST = 30 * 86_400

_MAX_REASON = 200


def pause(
    provider: ProviderArgument,
    length: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="Length, such as 30m, 2h or 1h30m. Without it: until `resume`."),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="A note for other operators, kept with the hold.")] = "",
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Stop new calls to a provider. Its requests wait, and their time to live is extended by this time.

    Calls in progress are finished. New requests for the provider are still accepted.
    """
    seconds = None if length is None else duration(length)
    if len(reason) > _MAX_REASON or not reason.isprintable():
        raise Failure(f"--reason: one line of at most {_MAX_REASON} characters", code=USAGE)
    from cli.operate.ask_redis import ask_redis
    from guard import hold

    ask_redis(data_dir, lambda redis: hold.pause(redis, provider, seconds, reason))
    until = f"for {length}" if length else f"until `umpire resume {provider.value}`"
    print(f"{provider.value} is on hold {until}: its workers make no calls, and its requests wait.")  # noqa: T201


def resume(provider: ProviderArgument, data_dir: DataDir = DEFAULT_DATA) -> None:
    """End a pause, so that calls start again.

    If the provider is also on hold for its account (rejected key, no credit), a probe is sent first.
    """
    from cli.operate.ask_redis import ask_redis
    from guard import hold

    was_paused, why = ask_redis(data_dir, lambda redis: hold.resume(redis, provider))
    line = f"{provider.value} {'is no longer paused' if was_paused else 'was not paused'}."
    if why is not None:
        line += f" It is still on hold ({why.value}); the next request in its queue is sent as a probe now."
    print(line)  # noqa: T201


def duration(text: str, option: str = "--for") -> float:
    """Seconds of a time such as `90s`, `30m`, `2h`, `1h30m` or `2d`. Raises Failure if it is malformed or too long."""
    match = _DURATION.fullmatch(text.strip().lower())
    parts = match.groups() if match else ()
    seconds = sum(int(part) * unit for part, unit in zip(parts, _UNIT_SECONDS, strict=False) if part)
    if not 0 < seconds <= _LONGEST:
        raise Failure(f"{option}: a time such as 90s, 30m, 2h or 1h30m, at most 30d", code=USAGE)
    return float(seconds)
