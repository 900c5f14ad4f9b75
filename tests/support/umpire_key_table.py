"""The tables of Redis keys, which stand in the docstrings of ledger/keys.py, guard/keys.py and access/keys.py."""

import re
from typing import NamedTuple

import access.keys
import guard.keys
import ledger.keys
from contracts.enums import LLMProviderType

#: What each placeholder of a name stands for.
PLACEHOLDERS = {
    "provider": "|".join(provider.value for provider in LLMProviderType),
    "queue id": "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "model": "[a-z].*",
    "worker": r"[\w-]+\.[0-9a-f]{12}",
    "process": "[0-9a-f]{32}",
    "yyyy-mm-dd": r"\d{4}-\d\d-\d\d",
    "hash": "[0-9a-f]{64}",
    "key id": "[0-9A-Za-z]+",
    "step": "[369]",
    "exchange": "[a-z.]+",
}

_ROW = re.compile(r"^((?:umpire|_kombu)(?:<[^>]+>|[^\s<])*) +(hash|string|zset|set|stream|list|channel) ", re.MULTILINE)


class Row(NamedTuple):
    name: str
    """With its placeholders."""
    kind: str
    """As Redis' TYPE names it; or "channel"."""

    def matches(self, key: str) -> bool:
        parts = re.split(r"<([^>]+)>", self.name)
        pattern = "".join(f"(?:{PLACEHOLDERS[part]})" if n % 2 else re.escape(part) for n, part in enumerate(parts))
        return re.fullmatch(pattern, key) is not None


def table() -> list[Row]:
    text = f"{ledger.keys.__doc__}\n{guard.keys.__doc__}\n{access.keys.__doc__}"
    return [Row(name, kind) for name, kind in _ROW.findall(text)]
