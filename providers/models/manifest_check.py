"""Compares the manifest with a provider's own list of models, for `umpire models check`. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from contracts.enums import LLMProviderType
from providers.models.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the manifest and a provider's own list of models."""

    provider: LLMProviderType
    model: str
    #: not_listed: only in the manifest; not_in_manifest: only in the provider's list; still_listed: shut down by the
    #: manifest, but in the provider's list.
    kind: str


def compare(manifest: Manifest, provider: LLMProviderType, listed: Iterable[str], today: date) -> list[Difference]:
    """The differences that `umpire models check` reports. `listed`: the ids in the provider's list."""
    theirs = set(listed)
    ours = {info.model_id: info for info in manifest.models(provider)}
    found = []
    for name, info in ours.items():
        if info.is_shut_down(today):
            if name in theirs:
                found.append(Difference(provider, name, "still_listed"))
        elif name not in theirs:
            found.append(Difference(provider, name, "not_listed"))
    found += [Difference(provider, name, "not_in_manifest") for name in sorted(theirs - ours.keys())]
    return found
