"""The ledger's Lua scripts and how they are run: each step of a request is one script, one round trip."""

from ledger.scripts.script import Argument, Piggyback, Script, flatten, source

__all__ = ["Argument", "Piggyback", "Script", "flatten", "source"]
