"""Redis keys of this package. The Lua scripts build the same names; this file lists them.

umpire:breaker:<provider>         hash   a circuit breaker: see `BREAKER_FIELDS`
umpire:breaker:<provider>:window  hash   outcomes of the window, counted in slots of a twentieth of it: f<slot>
                                         failures, s<slot> successes
umpire:gate:<provider>            string "<end> <length>" (ms) of the pause that the provider asked for
umpire:hold:<provider>           hash   holds of a provider: see `HOLD_FIELDS`; ttl_extension.lua reads it, too
umpire:hold:<provider>:<model>   hash   holds of one of its models
umpire:holds:<provider>          set    its models that are on hold
umpire:limit:<provider>:<model>   hash   what is left of the rate limit's bucket: r (requests), t (tokens), at (s)
umpire:adapt:<provider>           hash   the adaptive limits (limits), when they were last updated (looked, ms)
umpire:adapt:<provider>:rows      hash   worker process → when it last reported (ms), and a Process of
                                         guard/adaptive/controller.py
umpire:adapt:<provider>:sums      hash   sums of all reports since the last update: see adapt.lua
"""

from contracts.enums import LLMProviderType
from ledger.keys import PREFIX, named

#: All times are in ms of Redis' clock.
BREAKER_FIELDS = {
    "state": "a CircuitState",
    "since": "when the state changed",
    "until": "until when an open breaker lets no probe through",
    "owner": "who has the lease of the probe",
    "lease": "end of that lease",
    "successes": "probes that succeeded since it opened",
    "row": "failures in a row",
    "failures": "failures since the last success",
    "average": "moving average of response times, ms",
    "last_success": "time",
    "last_failure": "time",
    "last_error": "code of the last error that counted, or that raised a hold",
}

#: All times are in ms of Redis' clock.
HOLD_FIELDS = {
    "reason": "HoldReason of the automatic hold; absent: there is none",
    "since": "when the automatic hold was raised",
    "probe": "when its next probe is due",
    "owner": "who has the lease of the probe",
    "lease": "end of that lease",
    "paused": "when the manual hold was set; absent: there is none",
    "until": "when the manual hold ends, or 0",
    "text": "the operator's comment on it",
    "began": "when the present time on hold began",
    "total": "time on hold before that, ms",
    "lifts": "how often an automatic hold was lifted",
    "lifted": "when one was lifted last",
    "told": "the state that was announced last",
}


#: By provider.
breaker, gate, held_models = named("breaker"), named("gate"), named("holds")


def hold(provider: LLMProviderType, model: str = "") -> str:
    return f"{PREFIX}hold:{provider.value}" + (f":{model}" if model else "")


def limit(provider: LLMProviderType, model: str) -> str:
    return f"{PREFIX}limit:{provider.value}:{model}"
