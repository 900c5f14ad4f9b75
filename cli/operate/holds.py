"""`umpire pause` and `umpire resume`: an operator's hold of a provider."""

import re
from pathlib import Path
from typing import Annotated

import typer

from cli.environment import DEFAULT_DATA, USAGE, read_settings
from cli.failure import Failure
from cli.provider import ProviderName

ProviderArgument = Annotated[ProviderName, typer.Argument(metavar="PROVIDER", help="The provider.")]
DataDir = Annotated[Path, typer.Option(help="Data directory of the `umpire up` to ask.")]

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_UNIT_SECONDS = (86_400, 3_600, 60, 1)

#: Longest pause, in seconds: a longer one is taken for a typing error.
_LONGEST = 30 * 86_400

_MAX_REASON = 200


def pause(
    provider: ProviderArgument,
    length: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="E.g. 30m, 2h or 1h30m; without it, until `resume`.")
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for other operators. Not a secret.")] = "",
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Stop all calls to a provider. Its requests wait, and lose none of their time."""
    seconds = None if length is None else duration(length)
    if len(reason) > _MAX_REASON or not (reason.isprintable()):
        raise Failure(f"--reason: one line of at most {_MAX_REASON} characters", code=USAGE)
    settings = read_settings()
    from cli.operate.ask_redis import ask_redis
    from contracts.enums import LLMProviderType
    from guard import hold

    kind = LLMProviderType(provider.value)
    ask_redis(settings, data_dir, lambda redis: hold.pause(redis, kind, seconds, reason))
    until = f"for {length}" if length else f"until `umpire resume {provider.value}`"
    print(f"{provider.value} is on hold {until}: its workers make no calls, and its requests wait.")  # noqa: T201


def resume(provider: ProviderArgument, data_dir: DataDir = DEFAULT_DATA) -> None:
    """End a pause. Where the account is at fault as well, a probe is made at once, to see whether it is mended."""
    settings = read_settings()
    from cli.operate.ask_redis import ask_redis
    from contracts.enums import LLMProviderType
    from guard import hold

    kind = LLMProviderType(provider.value)
    was_paused, why = ask_redis(settings, data_dir, lambda redis: hold.resume(redis, kind))
    first = f"{provider.value} is no longer paused" if was_paused else f"{provider.value} was not paused"
    if why is None:
        print(f"{first}.")  # noqa: T201
    else:
        print(f"{first}. It is on hold still ({why.value}); the next request in its queue probes it now.")  # noqa: T201


def duration(text: str) -> float:
    """Seconds of a time such as `90s`, `30m`, `2h`, `1h30m` or `2d`. Raises Failure if it is malformed or too long."""
    match = _DURATION.fullmatch(text.strip().lower())
    parts = match.groups() if match else ()
    seconds = sum(int(part) * unit for part, unit in zip(parts, _UNIT_SECONDS, strict=False) if part)
    if not 0 < seconds <= _LONGEST:
        raise Failure("--for: a time such as 90s, 30m, 2h or 1h30m, at most 30d", code=USAGE)
    return float(seconds)
