"""Redis keys of this package. The Lua scripts build the same names; this file lists them.

umpire:breaker:<provider>         hash   state, since, until, owner, lease, successes, failures, average, last_success,
                                         last_failure, last_error: see breaker.lua
umpire:breaker:<provider>:window  hash   outcomes of the window, counted in slots of a twentieth of it
umpire:gate:<provider>            string "<end> <length>" (ms) of the pause that the provider asked for
umpire:hold:<provider>           hash   holds of a provider: see hold.lua; ttl_extension.lua reads it, too
umpire:hold:<provider>:<model>   hash   holds of one of its models
umpire:holds:<provider>          set    its models that are on hold
umpire:limit:<provider>:<model>   hash   what is left of the rate limit's bucket: r (requests), t (tokens), at (s)
umpire:adapt:<provider>           hash   the adaptive limits (limits), when they were last updated (looked, ms)
umpire:adapt:<provider>:rows      hash   worker process → when it last reported (ms), and a Process of
                                         guard/adaptive/controller.py
umpire:adapt:<provider>:sums      hash   sums of all reports since the last update: see adapt.lua
"""

from contracts.enums import LLMProviderType
from ledger.keys import PREFIX


def breaker(provider: LLMProviderType) -> str:
    return f"{PREFIX}breaker:{provider.value}"


def gate(provider: LLMProviderType) -> str:
    return f"{PREFIX}gate:{provider.value}"


def hold(provider: LLMProviderType, model: str = "") -> str:
    return f"{PREFIX}hold:{provider.value}" + (f":{model}" if model else "")


def held_models(provider: LLMProviderType) -> str:
    return f"{PREFIX}holds:{provider.value}"


def limit(provider: LLMProviderType, model: str) -> str:
    return f"{PREFIX}limit:{provider.value}:{model}"
