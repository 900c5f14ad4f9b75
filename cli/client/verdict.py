"""Formats a verdict for a person."""

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.panel import Panel

_MS_PER_SECOND = 1000


def panel(verdict: Mapping[str, Any], names: Mapping[str, str]) -> Panel:
    """A panel of a result event's data or of a 200 answer, which share these fields. `names`: winner → file name."""
    winner = str(verdict["winner"])
    name = f" ({names[winner]})" if winner in names else ""
    tokens = verdict["token_usage"]["total_tokens"]
    facts = [
        f"{verdict['provider']} {verdict['model']}",
        f"{verdict['response_time_ms'] / _MS_PER_SECOND:.1f} s",
        f"{tokens} tokens",
        _cost(verdict),
    ]
    return Panel(
        f"[bold green]{escape(winner)}[/bold green]{escape(name)}   confidence {verdict['confidence']:g} of 5\n\n"
        f"{escape(str(verdict['justification']))}\n\n[dim]{escape(' · '.join(facts))}[/dim]",
        title="verdict",
        title_align="left",
    )


def _cost(verdict: Mapping[str, Any]) -> str:
    metadata = verdict.get("request_metadata", verdict.get("metadata")) or {}
    cost = verdict.get("cost_estimate")
    known = cost is not None and metadata.get("cost_known", True)
    return f"${cost:.5f}" if known else "price unknown"
