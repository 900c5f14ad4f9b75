"""The `umpire` command. Each command imports what it needs when it runs, so that `umpire --help` is quick."""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from cli.environment import DEFAULT_DATA, read_serving_settings, read_settings
from cli.failure import Failure
from cli.operate.holds import pause, resume
from cli.operate.keys import keys_app
from cli.operate.outbox import outbox_app
from cli.provider import ProviderName
from cli.serve.redis_check import check_redis
from cli.tune.command import tune
from cli.visible import visible

app = typer.Typer(
    name="umpire",
    help="LLM comparisons with a promise: one fresh verdict each, delivered on Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
models_app = typer.Typer(help="The models that umpire knows.", invoke_without_command=True)
app.add_typer(models_app, name="models")
app.add_typer(outbox_app, name="outbox")
app.add_typer(keys_app, name="keys")
app.command()(tune)
app.command()(pause)
app.command()(resume)


Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Port (0: any free one).")]
Descriptor = Annotated[int | None, typer.Option(hidden=True, help="Listening socket of a supervisor.")]


@app.command()
def up(
    data_dir: Annotated[
        Path, typer.Option(help="Where Redis keeps its data, and stack.json and logs go.")
    ] = DEFAULT_DATA,
    port: Port = None,
    flower_port: Port = None,
    metrics_targets: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the addresses to scrape there, as Prometheus' file_sd.")
    ] = None,
) -> None:
    """Run everything on this machine: Redis, Kafka, the API, workers and Flower."""
    settings = read_serving_settings()
    from cli.stack.up import up

    up(
        settings,
        data_dir,
        settings.service.port if port is None else port,
        settings.flower.flower_port if flower_port is None else flower_port,
        metrics_targets,
    )


@app.command()
def api(
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Port = None,
    processes: Annotated[int | None, typer.Option(min=1, max=64, help="Processes that share the port.")] = None,
    descriptor: Descriptor = None,
    pids_file: Annotated[Path | None, typer.Option(hidden=True, help="Holds the ids of several processes.")] = None,
) -> None:
    """Run the HTTP API."""
    settings = read_serving_settings()
    check_redis(settings.redis.address())
    from cli.serve import api as front
    from cli.supervise.ports import inherited

    service = settings.service
    if descriptor is not None:
        server = inherited(descriptor)
    else:
        server = front.listen_for_callers(settings, host or service.host, service.port if port is None else port)
    front.api(settings, server, processes or service.api_processes, pids_file)


@app.command()
def worker(
    provider: Annotated[
        ProviderName | None, typer.Option(help="One provider; without it, each that is enabled.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Calls at a time in a process (its slots).")] = None,
    processes: Annotated[int | None, typer.Option(min=1, max=64, help="Processes of the provider.")] = None,
    ready_file: Annotated[Path | None, typer.Option(hidden=True, help="Made when the worker consumes.")] = None,
) -> None:
    """Run the workers of one provider, or of each that is enabled."""
    settings = read_serving_settings()
    if provider is None:
        for value, name in ((concurrency, "--concurrency"), (processes, "--processes")):
            if value is not None:
                raise typer.BadParameter(f"{name} needs --provider")
    check_redis(settings.redis.address())
    from cli.serve import worker as workers

    raise typer.Exit(workers.serve(settings, provider and provider.value, concurrency, processes, ready_file))


@app.command()
def flower(
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Port = None,
    descriptor: Descriptor = None,
    metrics_descriptor: Descriptor = None,
) -> None:
    """Run Flower, behind the password in UMPIRE_FLOWER_BASIC_AUTH."""
    settings = read_settings()
    from cli.flower import server as page
    from cli.supervise.metrics import listen_for_scrapes
    from cli.supervise.ports import inherited, listen

    page.check(settings)
    check_redis(settings.redis.address())
    if descriptor is not None:
        server = inherited(descriptor)
    else:
        chosen = settings.flower.flower_port if port is None else port
        server = listen(host or settings.flower.flower_host, chosen, setting="--port or UMPIRE_FLOWER_PORT")
    scraped = None
    if metrics_descriptor is not None:
        scraped = inherited(metrics_descriptor)
    elif settings.telemetry.metrics_port is not None:
        scraped = listen_for_scrapes(settings, settings.telemetry.metrics_port)
    page.flower(settings, server, scraped)


@app.command()
def compare(
    essay_a: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The first essay.")],
    essay_b: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The second essay.")],
    wait: Annotated[bool, typer.Option(help="Follow the callback topic until the verdict is there.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came over the wire.")] = False,
    api_url: Annotated[str | None, typer.Option("--api", help="URL of the API.")] = None,
    topic: Annotated[str | None, typer.Option(help="Callback topic.")] = None,
    question: Annotated[str | None, typer.Option(help="What to judge by.")] = None,
    provider: Annotated[ProviderName | None, typer.Option(help="Provider to ask.")] = None,
    model: Annotated[str | None, typer.Option(help="Model to ask.")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Longest wait for the verdict, in seconds.")] = 300.0,
    data_dir: Annotated[Path, typer.Option(help="Data directory of the `umpire up` to ask.")] = DEFAULT_DATA,
) -> None:
    """Compare two essays. Exit code 0: a verdict (or accepted, with --no-wait), 1: an error, 2: called wrongly."""
    settings = read_settings()
    from cli.client.compare import CompareOptions, compare

    options = CompareOptions(essay_a, essay_b, topic, question, provider.value if provider else None, model, timeout)
    raise typer.Exit(compare(settings, options, wait=wait, as_json=as_json, api=api_url, data_dir=data_dir))


@models_app.callback()
def models(
    context: typer.Context,
    provider: Annotated[ProviderName | None, typer.Option(help="Of this provider only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As GET /api/v1/models answers.")] = False,
) -> None:
    """List the models of the manifest."""
    if context.invoked_subcommand is None:
        from cli.operate.models import show

        show(provider.value if provider else None, as_json=as_json)


@models_app.command("check")
def models_check() -> None:
    """Compare the manifest with what each enabled provider lists. Exit code 1: a default model is missing."""
    settings = read_settings()
    from cli.operate.models import check

    raise typer.Exit(check(settings))


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Where the ranking's plot goes.")] = Path("demo-output"),
) -> None:
    """Rank a dozen sample essays on a stack of its own, with the mock provider. Half a minute, no keys, no money."""
    from cli.demo.command import demo

    raise typer.Exit(demo(output))


@app.command()
def topics() -> None:
    """Create the dead-letter topic, for brokers that do not create topics automatically. Exit code 1: Kafka refused, or
    is unavailable.
    """
    settings = read_settings()
    from cli.serve.topics import make_or_explain

    done, line = make_or_explain(settings)
    if not done:
        raise Failure(line)
    print(line)  # noqa: T201


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"umpire {version('umpire-service')}")
        except PackageNotFoundError:  # run from the source tree
            typer.echo("umpire (not installed)")
        raise typer.Exit


@app.callback()
def umpire(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Nothing of its own: the commands do the work."""


def main() -> None:
    try:
        app()
    except Failure as failure:
        for line in failure.message.splitlines():
            print(f"umpire: {visible(line)}", file=sys.stderr)  # noqa: T201 - rich costs 0.1 s, and wraps
        sys.exit(failure.code)


if __name__ == "__main__":
    main()
