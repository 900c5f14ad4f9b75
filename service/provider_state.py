"""Explains a provider's state to clients: why a verdict takes time, and why an immediate request is refused. Pure."""

from contracts.enums import CircuitState, HoldReason
from contracts.errors import MisconfiguredHold, ProviderError, ProviderOnHold, ProviderUnavailable, SpendLimitHold
from guard.availability import ProviderAvailability
from guard.hold import Hold
from ledger.request import StoredRequest

_WHY = {
    HoldReason.MISCONFIGURED: "the provider rejects the service's key or configuration",
    HoldReason.SPEND_LIMIT: "the account's budget is used up",
    HoldReason.MANUAL: "an operator paused it",
}

_KINDS: dict[HoldReason, type[ProviderOnHold]] = {
    HoldReason.MISCONFIGURED: MisconfiguredHold,
    HoldReason.SPEND_LIMIT: SpendLimitHold,
    HoldReason.MANUAL: ProviderOnHold,
}


def explain(stored: StoredRequest, state: ProviderAvailability | None) -> tuple[str, str | None]:
    """`message` and `provider_state` of a 202. `state` None: unknown."""
    message = f"Accepted; the verdict will be published on {stored.request.callback_topic}"
    if state is None:
        return message, None
    if state.is_usual:
        return message, "available"
    return message + _why_it_waits(stored, state), provider_state(stored, state)


def provider_state(stored: StoredRequest, state: ProviderAvailability) -> str:
    """`available`, `on_hold`, `circuit_open`, `circuit_half_open`, or `paused` (the provider asked for a pause)."""
    if state.hold_of(stored.model) is not None:
        return "on_hold"
    if state.state is not CircuitState.CLOSED:
        return f"circuit_{state.state.value}"
    return "available" if state.available else "paused"


def _why_it_waits(stored: StoredRequest, state: ProviderAvailability) -> str:
    provider, hold = stored.provider.value, state.hold_of(stored.model)
    if hold is not None:
        name = _held_name(stored, hold, state)
        return f" after the hold on {name} ends ({hold.reason.value}): {_WHY[hold.reason]}"
    if state.state is not CircuitState.CLOSED:
        return f" after {provider} has recovered: calls to it fail at present"
    return "" if state.available else f" after the pause that {provider} asked for"


def refusal(stored: StoredRequest, state: ProviderAvailability) -> ProviderError:
    """The error that says why an immediate request is not accepted now."""
    provider, hold = stored.provider.value, state.hold_of(stored.model)
    if hold is None or (hold is not state.hold and not state.available):
        return ProviderUnavailable(
            f"{provider} is unavailable; the request was not accepted",
            retry_after=state.retry_after,
            circuit_state=state.state.value,
        )
    wait = state.retry_after if state.hold else (hold.probe_in or 0) / 1000
    held = f"{_held_name(stored, hold, state)} is on hold ({hold.reason.value}): {_WHY[hold.reason]}"
    return _KINDS[hold.reason](
        f"{held}; the request was not accepted",
        retry_after=wait,
        hold=hold.reason.value,
        hold_since=hold.began.isoformat(timespec="milliseconds"),
        circuit_state=state.state.value,
    )


def _held_name(stored: StoredRequest, hold: Hold, state: ProviderAvailability) -> str:
    return stored.provider.value if hold is state.hold else f"{stored.model} of {stored.provider.value}"
