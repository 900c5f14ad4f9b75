"""The options of `umpire tune`. The work is in cli/tune/run.py, which takes half a second to import."""

from pathlib import Path
from typing import Annotated

import typer

from cli.environment import read_settings
from cli.provider import ProviderName


def tune(
    provider: Annotated[
        ProviderName | None,
        typer.Option(help="Provider to ask; without it, UMPIRE_DEFAULT_PROVIDER or the first enabled."),
    ] = None,
    levels: Annotated[
        str | None, typer.Option(help="Calls in flight, level by level.", metavar="N,N,…", show_default="1,2,4,…,256")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=600, help="Time of a level, once each slot has made a call.")
    ] = 5.0,
    calls: Annotated[int | None, typer.Option(min=1, help="Calls that may start in that time.")] = None,
    max_calls: Annotated[
        int | None, typer.Option(min=1, help="Calls in all at most.", show_default="500; the mock: no limit")
    ] = None,
    max_cost: Annotated[float | None, typer.Option(min=0, help="USD in all at most.")] = None,
    target: Annotated[
        float | None,
        typer.Option(min=0.001, help="Comparisons a second to advise for.", show_default="what the provider allows"),
    ] = None,
    output: Annotated[Path, typer.Option("--out", help="Where tune.png and tune.json go.")] = Path("tune-output"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before calls that cost money.")] = False,
) -> None:
    """Measure how many calls in flight a provider takes, and advise settings. Real providers' calls cost money."""
    settings = read_settings()
    from cli.tune.run import TuneOptions, tune

    named = provider.value if provider else None
    raise typer.Exit(
        tune(settings, TuneOptions(named, levels, seconds, calls, max_calls, max_cost, target, output, yes))
    )
