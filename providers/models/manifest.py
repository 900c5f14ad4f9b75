"""The models that umpire knows: manifest.toml, read once per process. Quick, since the API uses it on each request."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from contracts.enums import LLMProviderType, ReasoningEffort
from contracts.errors import InvalidConfig
from contracts.http import LLMComparisonRequest
from contracts.settings import Settings
from providers.models.model_info import ModelInfo, Prices
from providers.request.prompt import check_fit

#: Context window of an OpenRouter model that is not in the manifest: in effect unlimited here, since the worker checks
#: it against OpenRouter's list.
_UNCHECKED_WINDOW = 1 << 40


class Manifest:
    def __init__(self, models: Iterable[ModelInfo], defaults: Mapping[LLMProviderType, str]) -> None:
        self._models: dict[LLMProviderType, dict[str, ModelInfo]] = {provider: {} for provider in LLMProviderType}
        for info in models:
            self._models[info.provider][info.model_id] = info
        self._defaults = {provider: self._models[provider][name] for provider, name in defaults.items()}

    @staticmethod
    @cache
    def load() -> "Manifest":
        """The manifest of this release."""
        with resources.files("providers.models").joinpath("manifest.toml").open("rb") as file:
            return manifest_from(tomllib.load(file))

    def models(self, provider: LLMProviderType) -> list[ModelInfo]:
        return list(self._models[provider].values())

    def default(self, provider: LLMProviderType) -> ModelInfo:
        return self._defaults[provider]

    def find(self, provider: LLMProviderType, model: str) -> ModelInfo | None:
        return self._models[provider].get(model)

    def model_for(
        self,
        provider: LLMProviderType,
        model: str | None,
        request: LLMComparisonRequest,
        settings: Settings,
        today: date,
    ) -> ModelInfo:
        """The model that will judge this request.

        Raises
        ------
        InvalidConfig
            The model is unknown or shut down.
        ContentTooLong
            The prompt cannot fit its context window.
        """
        name = model or settings.providers[provider].default_model or self._defaults[provider].model_id
        info = self.known(provider, name, today)
        check_fit(request, info)
        return info

    def known(self, provider: LLMProviderType, model: str, today: date) -> ModelInfo:
        """The model of this name. Raises InvalidConfig when it is unknown or shut down."""
        info = self._models[provider].get(model) or _unchecked(provider, model)
        if info is None:
            raise InvalidConfig(f"Unknown model for {provider.value}", provider=provider.value, reason="unknown_model")
        if info.is_shut_down(today):
            raise InvalidConfig(
                f"{info.model_id} was shut down by {provider.value} on {info.shutdown_date}",
                provider=provider.value,
                model=info.model_id,
                reason="model_shut_down",
            )
        return info

    def unusable_defaults(self, settings: Settings, today: date) -> list[str]:
        """One line for each default model set by the operator that requests would be refused for."""
        found = []
        for provider in settings.enabled:
            name = settings.providers[provider].default_model
            if name is not None:
                try:
                    self.known(provider, name, today)
                except InvalidConfig as error:
                    found.append(f"UMPIRE_{provider.value.upper()}_DEFAULT_MODEL: {error.message}")
        return found


def _unchecked(provider: LLMProviderType, model: str) -> ModelInfo | None:
    """OpenRouter hosts hundreds of models: the API accepts any `vendor/model`, and the worker checks it. Else None."""
    vendor, slash, name = model.partition("/")
    if provider is not LLMProviderType.OPENROUTER or not (vendor and slash and name):
        return None
    return ModelInfo(
        model_id=model,
        provider=provider,
        display_name=model,
        family=vendor,
        context_window=_UNCHECKED_WINDOW,
        max_output=_UNCHECKED_WINDOW,
    )


def manifest_from(document: Mapping[str, Any]) -> Manifest:
    """A manifest from its parsed TOML document. Raises ValueError, which names the fault."""
    models, defaults = [], {}
    for name, section in document.items():
        provider = LLMProviderType(name)
        defaults[provider] = section["default"]
        common = section.get("common", {})
        for entry in section["models"]:
            models.extend(_entries(provider, {**common, **entry}))
    return Manifest(models, defaults)


def _entries(provider: LLMProviderType, entry: dict[str, Any]) -> list[ModelInfo]:
    """One model and its dated snapshots, which differ from it in name only."""
    prices = entry.pop("prices", ())
    snapshots = entry.pop("snapshots", ())
    unknown = entry.keys() - {field.name for field in fields(ModelInfo)}
    if unknown:
        raise ValueError(f"manifest.toml: {entry.get('model_id')}: unknown keys {sorted(unknown)}")
    entry["effort"] = frozenset(map(ReasoningEffort, entry.get("effort", ())))
    entry["recommended_for"] = tuple(entry.get("recommended_for", ()))
    entry["prices"] = tuple(Prices(**price) for price in prices)
    model_id = entry.pop("model_id")
    return [ModelInfo(model_id=name, provider=provider, **entry) for name in (model_id, *snapshots)]


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
