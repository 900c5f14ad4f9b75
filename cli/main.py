"""The `umpire` command. Each command imports what it needs when it runs, so that `umpire --help` is quick."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.failure import Failure
from cli.operate.holds import pause, resume
from cli.operate.keys import keys_app
from cli.operate.outbox import outbox_app
from cli.operate.redeliver import redeliver
from cli.options import DEFAULT_DATA, AsJson, DataDir, read_serving_settings, read_settings, service_version
from cli.visible import visible
from contracts.enums import LLMProviderType

app = typer.Typer(
    name="umpire",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
models_app = typer.Typer(invoke_without_command=True)
app.add_typer(models_app, name="models")
app.add_typer(outbox_app, name="outbox")
app.add_typer(keys_app, name="keys")
app.command()(pause)
app.command()(resume)
app.command()(redeliver)


Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")]
Descriptor = Annotated[int | None, typer.Option(hidden=True, help="Listening socket that a supervisor passes on.")]
Processes = Annotated[
    int | None,
    typer.Option(
        min=1, max=64, help="Number of processes. Without it: UMPIRE_API_PROCESSES or UMPIRE_<PROVIDER>_PROCESSES."
    ),
]
Essay = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A text file in UTF-8.")]


@app.command()
def up(
    data_dir: Annotated[
        Path, typer.Option(help="Directory for Redis' data, the logs, and stack.json with all addresses.")
    ] = DEFAULT_DATA,
    port: Port = None,
    flower_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of Flower; 0: any free one.")] = None,
    metrics_targets: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write the addresses to scrape to this file, for Prometheus' file_sd."),
    ] = None,
) -> None:
    """Run everything on this machine: Redis, Kafka, the API, workers and Flower.

    UMPIRE_API_PROCESSES and UMPIRE_<PROVIDER>_PROCESSES set the numbers of processes. Ctrl-C stops everything.
    """
    settings = read_serving_settings()
    from cli.stack.up import up

    port = settings.service.port if port is None else port
    flower_port = settings.flower.flower_port if flower_port is None else flower_port
    up(settings, data_dir, port, flower_port, metrics_targets)


@app.command()
def api(
    host: Host = None,
    port: Port = None,
    processes: Processes = None,
    descriptor: Descriptor = None,
    pids_file: Annotated[Path | None, typer.Option(hidden=True, help="File for the ids of several processes.")] = None,
) -> None:
    """Run the HTTP API, in one process or in several that share the port."""
    settings = read_serving_settings()
    from cli.serve.api import listen_for_callers, serve
    from cli.serve.checks import check_redis
    from cli.supervise.ports import inherited

    check_redis(settings.redis.address())
    service = settings.service
    if descriptor is not None:
        server = inherited(descriptor)
    else:
        server = listen_for_callers(settings, host or service.host, service.port if port is None else port)
    serve(settings, server, processes or service.api_processes, pids_file)


@app.command()
def worker(
    provider: Annotated[
        LLMProviderType | None, typer.Option(help="Provider to call. Without it: workers of each enabled provider.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Slots of a process: how many comparisons it handles at a time.")
    ] = None,
    processes: Processes = None,
    ready_file: Annotated[
        Path | None, typer.Option(hidden=True, help="File that the worker makes once it consumes.")
    ] = None,
) -> None:
    """Run workers, which call the providers. --concurrency and --processes need --provider."""
    settings = read_serving_settings()
    if provider is None:
        for value, name in ((concurrency, "--concurrency"), (processes, "--processes")):
            if value is not None:
                raise typer.BadParameter(f"{name} needs --provider")
    from cli.serve.checks import check_redis
    from cli.serve.worker import serve_workers

    check_redis(settings.redis.address())
    raise typer.Exit(serve_workers(settings, provider, concurrency, processes, ready_file))


@app.command()
def flower(
    host: Host = None, port: Port = None, descriptor: Descriptor = None, metrics_descriptor: Descriptor = None
) -> None:
    """Run Flower, the web page of queues and workers, read-only. Set its user:password in UMPIRE_FLOWER_BASIC_AUTH."""
    settings = read_settings()
    from cli.flower import server as flower_server
    from cli.serve.checks import check_redis
    from cli.supervise.children import listen_for_scrapes
    from cli.supervise.ports import inherited, listen

    flower_server.check(settings)
    check_redis(settings.redis.address())
    if descriptor is not None:
        server = inherited(descriptor)
    else:
        chosen = settings.flower.flower_port if port is None else port
        server = listen(host or settings.flower.flower_host, chosen, setting="--port or UMPIRE_FLOWER_PORT")
    metrics_socket = None
    if metrics_descriptor is not None:
        metrics_socket = inherited(metrics_descriptor)
    elif settings.telemetry.metrics_port is not None:
        metrics_socket = listen_for_scrapes(settings, settings.telemetry.metrics_port)
    flower_server.flower(settings, server, metrics_socket)


@app.command()
def compare(
    essay_a: Essay,
    essay_b: Essay,
    wait: Annotated[bool, typer.Option(help="Wait until the verdict arrives on the callback topic.")] = True,
    as_json: AsJson = False,
    api_url: Annotated[str | None, typer.Option("--api", help="URL of the API, such as http://127.0.0.1:8080.")] = None,
    topic: Annotated[str | None, typer.Option(help="Callback topic for the result.")] = None,
    question: Annotated[str | None, typer.Option(help="The question by which the essays are judged.")] = None,
    provider: Annotated[
        LLMProviderType | None, typer.Option(help="Provider to use instead of the default one.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model to use instead of the provider's default one.")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Longest wait for the verdict, in seconds.")] = 300.0,
    data_dir: DataDir = DEFAULT_DATA,
) -> None:
    """Submit a comparison of two essays, and print the verdict: which one is better, and why.

    Exit code 0: a verdict, or accepted with --no-wait. 1: an error. 2: wrong options or settings.
    """
    settings = read_settings()
    from cli.client.compare import CompareOptions, compare

    options = CompareOptions(essay_a, essay_b, topic, question, provider, model, timeout)
    raise typer.Exit(compare(settings, options, wait=wait, as_json=as_json, api=api_url, data_dir=data_dir))


@models_app.callback()
def models(
    context: typer.Context,
    provider: Annotated[LLMProviderType | None, typer.Option(help="Show this provider's models only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as GET /api/v1/models answers.")] = False,
) -> None:
    """List the models of the manifest with their prices, or check them (`umpire models check`)."""
    if context.invoked_subcommand is None:
        from cli.operate.models import show

        show(provider, as_json=as_json)


@models_app.command("check")
def models_check() -> None:
    """Compare the manifest with the models that each enabled provider lists.

    Exit code 1: a provider does not list its default model, or could not be asked.
    """
    settings = read_settings()
    from cli.operate.models import check

    raise typer.Exit(check(settings))


@app.command()
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


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Directory for the plot of the ranking.")] = Path("demo-output"),
) -> None:
    """Rank twelve sample essays with the mock provider on a temporary stack. Takes half a minute; needs no key."""
    from cli.demo.command import demo

    raise typer.Exit(demo(output))


@app.command()
def topics() -> None:
    """Create the dead-letter topic, for brokers that do not create topics automatically.

    Exit code 1: Kafka refused, or is unavailable.
    """
    settings = read_settings()
    from cli.serve.checks import make_topics

    done, line = make_topics(settings)
    if not done:
        raise Failure(line)
    print(line)  # noqa: T201


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"umpire {service_version() or '(not installed)'}")
        raise typer.Exit


@app.callback()
def umpire(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compares essays with LLMs: one verdict for each comparison, delivered on Kafka. `umpire demo` shows it."""


def main() -> None:
    try:
        app()
    except Failure as failure:
        for line in failure.message.splitlines():
            print(f"umpire: {visible(line)}", file=sys.stderr)  # noqa: T201 - rich costs 0.1 s, and wraps
        sys.exit(failure.code)


if __name__ == "__main__":
    main()
