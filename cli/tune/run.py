"""The work of `umpire tune`: asks for consent, sweeps the levels, derives advice, shows it and writes the files."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from assessment.samples import TOPIC, load_samples
from cli.client.prompt import balanced_rounds, comparison_prompt
from cli.console import err, out
from cli.failure import USAGE, Failure
from cli.serve.worker import check_enabled, with_fields
from cli.supervise.supervisor import stop_signals
from cli.tune.advice import Quota, advise
from cli.tune.budget import Budget, most_usage
from cli.tune.call import TuneCaller
from cli.tune.report import TuneReport, progress, show
from cli.tune.round import Rules
from cli.tune.sweep import INTERRUPTED, Sweep
from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.errors import InvalidConfig, UmpireError
from contracts.http import LLMComparisonRequest
from contracts.settings import Settings
from providers.base import RateHeaders, Usage
from providers.factory import make_provider
from providers.models.manifest import Manifest
from providers.models.model_info import ModelInfo

#: Calls in flight of each level: doubled each time, up to four times a worker's usual slots.
_LEVELS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

#: Default limit of calls to a provider that costs money: enough for levels up to 64 in flight at 2 s a call.
_MAX_CALLS = 500

#: Most calls in flight: as many as the slots that a worker may have.
_MOST_IN_FLIGHT = 10_000

#: Enough rounds to have each pair of the sample essays about once in each order.
_ROUNDS, _SEED = 22, 2026


@dataclass(frozen=True)
class TuneOptions:
    provider: LLMProviderType | None
    levels: str | None
    seconds: float
    calls: int | None
    max_calls: int | None
    max_cost: float | None
    target: float | None
    output: Path
    yes: bool


def tune(settings: Settings, options: TuneOptions) -> int:
    """Run `umpire tune`. Returns exit code 0 with advice, 1 without. Raises Failure, also when interrupted."""
    provider = options.provider or settings.default_provider
    check_enabled(settings, provider)
    levels = _levels(options.levels)
    request = sample_requests()
    info = _model(settings, provider)
    free = provider is LLMProviderType.MOCK
    most = options.max_calls if options.max_calls or free else _MAX_CALLS
    usage = most_usage(request(0), info)
    budget = Budget(info, usage, calls=most, dollars=options.max_cost)
    if options.max_cost is not None and budget.each is None:
        raise Failure(f"--max-cost: the price of {info.model_id} is unknown; use --max-calls", code=USAGE)
    if options.max_cost is not None and budget.each is not None and budget.each > options.max_cost:
        too_little = f"--max-cost {options.max_cost:g} does not pay for one call: up to ${budget.each:.4f}"
        raise Failure(too_little, code=USAGE)
    if not free:
        _confirm_cost(budget, most or 0, info, usage, yes=options.yes)
    sweep, announced = asyncio.run(_sweep(settings, options, provider, info, request, budget, levels))
    quota = quota_of(announced, settings, provider)
    report = TuneReport(
        provider=provider,
        model=info.model_id,
        levels=sweep.levels,
        stopped=sweep.stopped,
        calls=budget.made,
        spent_usd=budget.spent,
        quota=quota,
        advice=advise(sweep.levels, quota, provider, settings, options.target),
    )
    show(report)
    for path in report.write(options.output):
        out.print(f"saved {path}", markup=False)
    if sweep.stopped == INTERRUPTED:
        raise Failure(INTERRUPTED)
    return 0 if report.advice else 1


def sample_requests() -> Callable[[int], LLMComparisonRequest]:
    """A function n → the n-th comparison: two of the project's sample essays, in the prompt of `umpire compare`."""
    essays = list(load_samples().values())
    pairs = balanced_rounds(len(essays), _ROUNDS, _SEED)

    def request(number: int) -> LLMComparisonRequest:
        first, second = pairs[number % len(pairs)]
        prompt = comparison_prompt(essays[first], essays[second], f"The question was: {TOPIC}")
        return LLMComparisonRequest(user_prompt=prompt, callback_topic="umpire.tune")

    return request


def quota_of(announced: RateHeaders, settings: Settings, provider: LLMProviderType) -> Quota:
    """The limits in the provider's headers, or else the configured ones."""
    # OpenRouter does not state the period of its limit; Anthropic's and OpenAI's limits are per minute.
    if provider is not LLMProviderType.OPENROUTER and (announced.requests_limit or announced.tokens_limit):
        return Quota(announced.requests_limit, announced.tokens_limit, f"announced by {provider.value}")
    own = settings.providers[provider]
    return Quota(own.rpm, own.tpm, "configured")


def _levels(text: str | None) -> Sequence[int]:
    if text is None:
        return _LEVELS
    try:
        levels = sorted({int(part) for part in text.split(",") if part.strip()})
    except ValueError:
        levels = []
    if not levels or levels[0] < 1 or levels[-1] > _MOST_IN_FLIGHT:
        raise Failure(f"--levels takes numbers from 1 to {_MOST_IN_FLIGHT}, separated by commas", code=USAGE)
    return levels


def _model(settings: Settings, provider: LLMProviderType) -> ModelInfo:
    manifest = Manifest.load()
    name = settings.providers[provider].default_model or manifest.default(provider).model_id
    try:
        return manifest.known(provider, name, utcnow().date())
    except InvalidConfig as error:
        raise Failure(f"UMPIRE_{provider.value.upper()}_DEFAULT_MODEL: {error.message}", code=USAGE) from error


def _confirm_cost(budget: Budget, most: int, info: ModelInfo, usage: Usage, *, yes: bool) -> None:
    """Print the highest possible cost and ask for consent. Raises Failure without it."""
    price = "at an unknown price"
    if budget.most_dollars is not None:
        tokens = f"{usage.input_tokens:,} tokens in and {usage.output_tokens:,} out a call"
        price = f"for at most ${budget.most_dollars:.2f} ({tokens}, though usual answers are much shorter)"
    err.print(
        f"Up to {most:,} calls to {info.model_id} of {info.provider.value}, {price}.", markup=False, soft_wrap=False
    )
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure("these calls cost money, and there is no terminal for a question: pass --yes", code=USAGE)
    if not typer.confirm("Make them?", err=True):
        raise Failure("no call was made")


async def _sweep(
    settings: Settings,
    options: TuneOptions,
    provider: LLMProviderType,
    info: ModelInfo,
    request: Callable[[int], LLMComparisonRequest],
    budget: Budget,
    levels: Sequence[int],
) -> tuple[Sweep, RateHeaders]:
    adapter = make_provider(provider, with_fields(settings, provider, concurrency=levels[-1]))
    retry = settings.retry
    rules = Rules(options.seconds, options.calls, retry.retry_after_max_seconds, retry.retry_initial_seconds)
    async with stop_signals() as stop:
        try:
            await adapter.warm_up()
            limits = await adapter.model_info(info.model_id)
            caller = TuneCaller(adapter, limits, request, budget, retry.attempt_timeout)
            sweep = Sweep(caller, rules, stop)
            with progress(levels) as ended:
                await sweep.run(levels, ended)
        except UmpireError as error:
            raise Failure(f"{provider.value} could not be asked: {error.message} ({error.code.value})") from error
        finally:
            await adapter.close()
    return sweep, caller.announced
