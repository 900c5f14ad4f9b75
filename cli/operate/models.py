"""`umpire models`: shows the manifest, and compares it with the providers' lists."""

import asyncio

from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from cli.console import err, out, show_json
from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from contracts.http import ModelInfoResponse, ModelManifestResponse
from contracts.settings import Settings
from providers.factory import make_provider
from providers.models.manifest import Difference, Manifest, compare

#: Options for measuring a table: wider than any of its lines.
_WIDE = out.options.update(width=500)

_KINDS = {
    "not_listed": "[yellow]not listed by the provider[/yellow]",
    "not_in_manifest": "[dim]not in the manifest[/dim]",
    "still_listed": "[yellow]still listed, but shut down according to the manifest[/yellow]",
}


def show(provider: LLMProviderType | None, *, as_json: bool) -> None:
    manifest = Manifest.load()
    # The mock is shown only with `--provider mock`, as in the API.
    real = [each for each in LLMProviderType if each is not LLMProviderType.MOCK]
    chosen = [provider] if provider else real
    listed = {each.value: [info.to_response() for info in manifest.models(each)] for each in chosen}
    if as_json:
        show_json(ModelManifestResponse(providers=listed, total_models=sum(map(len, listed.values()))))
        return
    table = _table("provider", "model", "context", "$/1M in / out", "notes")
    for each in chosen:
        default = manifest.default(each).model_id
        for info in listed[each.value]:
            table.add_row(each.value, info.model_id, f"{info.context_window:,}", _prices(info), _notes(info, default))
    _print(table)


def _table(*columns: str) -> Table:
    """A table without frame and wrapping: it fits into 80 characters even with the longest model id."""
    made = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, no_wrap=True)
    return made


def _print(table: Table) -> None:
    """Print the table in full width: ids are copied from it, so a narrow terminal must not cut them off."""
    out.width = max(out.width, Measurement.get(out, _WIDE, table).maximum)
    out.print(table, soft_wrap=False)


def _prices(info: ModelInfoResponse) -> str:
    if info.cost_per_1k_input_tokens is None or info.cost_per_1k_output_tokens is None:
        return "unknown"
    return f"{info.cost_per_1k_input_tokens * 1000:g} / {info.cost_per_1k_output_tokens * 1000:g}"


def _notes(info: ModelInfoResponse, default: str) -> str:
    notes = {"default": info.model_id == default, "deprecated": info.is_deprecated}
    return ", ".join(note for note, holds in notes.items() if holds)


def check(settings: Settings) -> int:
    """Report the differences. Exit code 1 if a provider does not list its default model, or could not be asked."""
    return asyncio.run(_check(settings))


async def _check(settings: Settings) -> int:
    manifest, today = Manifest.load(), utcnow().date()
    found: list[Difference] = []
    code = 0
    for provider in settings.enabled:
        adapter = make_provider(provider, settings)
        try:
            listed = await adapter.list_models()
        except UmpireError as error:
            err.print(f"{provider.value} could not be asked: {error.message} ({error.code.value})", markup=False)
            code = 1
            continue
        finally:
            await adapter.close()
        found += compare(manifest, provider, listed, today)
        default = settings.providers[provider].default_model or manifest.default(provider).model_id
        if default not in listed:
            err.print(f"[bold red]{provider.value} does not list {default}[/bold red], the default model")
            code = 1
    if found:
        table = _table("provider", "model", "difference")
        for difference in found:
            table.add_row(difference.provider.value, escape(difference.model), _KINDS[difference.kind])
        _print(table)
    else:
        out.print("the manifest and the providers agree")
    return code
