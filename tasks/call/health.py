"""Reports the outcome of each call to the circuit breaker and to the holds of its provider."""

from contracts.enums import HoldReason
from contracts.errors import ModelForbidden, ProviderError, UmpireError
from guard.breaker import Breaker, Transition
from guard.hold import Outcome
from tasks.call.claim_state import ClaimState, NotNow
from tasks.gate.gatekeeper import Gatekeeper


class Health:
    def __init__(self, breaker: Breaker, gatekeeper: Gatekeeper) -> None:
        self._breaker = breaker
        self._gatekeeper = gatekeeper
        self._holds = gatekeeper.holds

    def succeeded(self, claim: ClaimState, seconds: float) -> None:
        """A call got an answer. Makes no round trip; `answered` must follow."""
        claim.seconds = seconds
        if claim.probe is None or not claim.probe.breaker:
            self._breaker.succeeded(seconds)

    async def answered(self, claim: ClaimState) -> None:
        """If the call was a probe, report that it succeeded."""
        probe, claim.probe = claim.probe, None
        model_probe, claim.model_probe = claim.model_probe, None
        if probe is not None and probe.breaker:
            self._gatekeeper.announce(await self._breaker.probe_succeeded(probe.name, claim.seconds))
        if probe is not None and probe.hold:
            await self._holds.lift(probe.name)
        if model_probe is not None:
            await self._holds.lift(model_probe, model=claim.stored.model)

    async def failed(
        self, claim: ClaimState, error: UmpireError, seconds: float
    ) -> tuple[Transition | None, NotNow | None]:
        """An attempt that took `seconds` ended in this error. If it was a probe, its outcome is reported, and from here
        on the request is an ordinary one. Returns the change of the breaker's state, and the reason to release the
        request without a try.
        """
        probe, claim.probe = claim.probe, None
        release = None
        if isinstance(error, ProviderError) and error.hold and self._holds.automatic:
            # Before anything that waits, so that no other call of this process starts.
            release = await self._hold(claim, error, seconds, probe.name if probe is not None and probe.hold else "")
        of_model = isinstance(error, ModelForbidden)  # it says nothing about the provider's own hold
        if probe is not None and probe.hold and claim.called and (release is None or of_model):
            await self._settle(probe.name, "", came=claim.came)
        model_probe, claim.model_probe = claim.model_probe, None
        if model_probe is not None and not claim.called:
            await self._holds.shared.probe_released(model_probe, model=claim.stored.model)
        elif model_probe is not None and not of_model:
            await self._settle(model_probe, claim.stored.model, came=claim.came)
        if probe is not None and probe.breaker:
            return await self._breaker.probe_failed(probe.name, error), release
        return await self._breaker.failed(error, seconds), release

    async def _settle(self, name: str, model: str, *, came: bool) -> None:
        """The probe of a hold failed for another reason. An answer without a verdict lifts the hold, too."""
        if came:
            await self._holds.lift(name, model=model)
        else:
            await self._holds.shared.probe_failed(name, model=model)

    async def _hold(self, claim: ClaimState, error: ProviderError, seconds: float, probe: str) -> NotNow | None:
        """Put the provider, or the model, on hold. None: the request itself is at fault, and ends."""
        model = claim.stored.model if isinstance(error, ModelForbidden) else ""
        name = claim.model_probe or "" if model else probe
        before = claim.spent.hold_marks.get(model)
        # A 402 or a 403 can be the request's own fault. A rejected key hardly is: the request may have met two outages,
        # so other requests must succeed once more before it is blamed.
        key_rejected = error.hold is HoldReason.MISCONFIGURED and not model
        mark = before + 1 if before is not None and key_rejected else before
        raised = await self._holds.raise_hold(error, seconds, model=model, mark=mark, probe=name)
        if raised is None:
            return NotNow("model_hold" if model else "hold")
        if raised.outcome is Outcome.OWN:
            return None
        if raised.outcome is Outcome.STALE:
            return NotNow("hold")
        if before is None or not key_rejected:
            claim.spent = claim.spent.marked(model, raised.mark)
        return NotNow("model_hold" if model else "hold")
