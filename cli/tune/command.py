"""The options of `umpire tune`. The work is in cli/tune/run.py, which takes half a second to import."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import read_settings
from contracts.enums import LLMProviderType


def tune(
    provider: Annotated[
        LLMProviderType | None,
        typer.Option(help="Provider to measure. Without it: UMPIRE_DEFAULT_PROVIDER or the first enabled."),
    ] = None,
    levels: Annotated[
        str | None, typer.Option(help="Numbers of calls in flight to try.", metavar="N,N,…", show_default="1,2,4,…,256")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=600, help="Length of a level in seconds, after the first calls.")
    ] = 5.0,
    calls: Annotated[int | None, typer.Option(min=1, help="Most calls of a level. Without it: no limit.")] = None,
    max_calls: Annotated[
        int | None,
        typer.Option(min=1, help="Most calls of all levels together.", show_default="500; the mock: no limit"),
    ] = None,
    max_cost: Annotated[float | None, typer.Option(min=0, help="Most US dollars of all levels together.")] = None,
    target: Annotated[
        float | None,
        typer.Option(min=0.001, help="Comparisons a second that you need.", show_default="what the provider allows"),
    ] = None,
    output: Annotated[Path, typer.Option("--out", help="Directory for tune.png and tune.json.")] = Path("tune-output"),
    yes: Annotated[bool, typer.Option("--yes", help="Make calls that cost money without asking.")] = False,
) -> None:
    """Measure how many calls in flight a provider takes, and print settings for your workers.

    It sends sample comparisons to the provider directly, without Redis and Kafka.
    Calls of real providers cost money: it first shows the highest possible cost, and asks.
    """
    settings = read_settings()
    from cli.tune.run import TuneOptions, tune

    options = TuneOptions(provider, levels, seconds, calls, max_calls, max_cost, target, output, yes)
    raise typer.Exit(tune(settings, options))
