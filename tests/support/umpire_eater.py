"""A process of its own that calls one provider's adapter, and says what each call cost it in memory.

    python umpire_eater.py PROVIDER URL complete list_models …

The first call is for warming up. A line of JSON for each other: the error's class, its reason, and bytes.
"""

import asyncio
import json
import sys
from pathlib import Path

from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from devtools.providers import call_for, settings_for
from providers.factory import make_provider


def _memory(field: str) -> int:
    return next(
        int(line.split()[1]) << 10
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith(field)
    )


async def _main(provider: LLMProviderType, url: str, kinds: list[str]) -> None:
    adapter = make_provider(provider, settings_for(provider, url))
    await adapter.complete(call_for(provider))
    for kind in kinds:
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
        before = _memory("VmRSS")
        error = None
        try:
            await (adapter.complete(call_for(provider)) if kind == "complete" else adapter.list_models())
        except UmpireError as raised:
            error = raised
        reason = error and error.details.get("reason")
        sys.stdout.write(json.dumps([error and type(error).__name__, reason, _memory("VmHWM") - before]) + "\n")
    await adapter.close()


if __name__ == "__main__":
    asyncio.run(_main(LLMProviderType(sys.argv[1]), sys.argv[2], sys.argv[3:]))
