"""The interface of all providers: a call goes in; a completion comes out, or an error of contracts/errors.py."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from contracts.enums import LLMProviderType, OutputVerbosity, ReasoningEffort
from contracts.events import TokenUsage
from contracts.http import PromptBlock
from providers.models.model_info import ModelInfo

#: Header of every call: relates an entry in the provider's log to one of our attempts.
ATTEMPT_HEADER = "X-Umpire-Attempt"

#: Seconds that the SDK waits for a connection or for the next bytes. Generous, since the caller limits the whole call
#: with its own timeout; only that also ends a response whose body arrives in small pieces for ever.
SDK_TIMEOUT = 600.0


#: The form of a model's name.
_MODEL = re.compile(r"[A-Za-z0-9][\w./:@-]{0,199}")


class StopReason(StrEnum):
    END = "end"
    LENGTH = "length"
    REFUSAL = "refusal"
    CONTEXT = "context"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as the provider counts them."""

    #: The whole prompt; `cached_tokens` and `cache_write_tokens` are parts of it.
    input_tokens: int = 0
    #: The whole answer; `reasoning_tokens` is a part of it.
    output_tokens: int = 0
    cached_tokens: int = 0
    #: Written to the provider's cache. `cache_write_1h_tokens` is the part of it that is kept for an hour.
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    #: USD, where the provider reports the cost.
    reported_cost: float | None = None
    #: Whether all counts that determine the price could be read. If not, the cost is unknown.
    known: bool = True

    def as_token_usage(self) -> TokenUsage:
        return TokenUsage(
            prompt_tokens=self.input_tokens,
            completion_tokens=self.output_tokens,
            total_tokens=self.input_tokens + self.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """Our rate limits as the provider's response headers state them; resets in seconds from now. None: not stated."""

    requests_limit: int | None = None
    requests_remaining: int | None = None
    requests_reset: float | None = None
    tokens_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_reset: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt. The repr leaves out the prompt, so that no log line can show it."""

    attempt_id: str
    model: str
    #: The complete system prompt and user prompt; if there are blocks, the blocks' texts joined.
    system: str = field(repr=False)
    user: str = field(repr=False)
    blocks: tuple[PromptBlock, ...] = field(repr=False)
    max_tokens: int
    temperature: float | None
    effort: ReasoningEffort | None
    verbosity: OutputVerbosity | None
    model_info: ModelInfo = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    text: str = field(repr=False)
    #: The model that answered, as the provider names it.
    model: str
    usage: Usage
    stop_reason: StopReason
    headers: RateHeaders | None = None
    #: The provider's stop reason in its own spelling; empty after an ordinary end.
    stopped: str = ""


#: The form of a provider's stop reason. Anything else may be text about essays, and is left out.
_STOP = re.compile(r"[A-Za-z][A-Za-z_-]{0,63}")


def safe_stop_reason(reported: object) -> str:
    """The provider's stop reason in its own spelling; empty if it does not look like one."""
    return reported if isinstance(reported, str) and _STOP.fullmatch(reported) else ""


def answer_model(reported: str, requested: str) -> str:
    """The model that the provider names, or `requested` if that is not a model name: it goes into events."""
    return reported if _MODEL.fullmatch(reported) else requested


class Provider(Protocol):
    name: LLMProviderType

    async def warm_up(self) -> None:
        """Load the SDK and make its client, so that the first calls do not wait for it: seconds on a busy machine."""
        ...

    async def complete(self, call: Call) -> ProviderAnswer:
        """Make exactly one call upstream. Raises only errors of contracts/errors.py, and CancelledError. An error that
        an answer reported has that answer's `usage`.
        """
        ...

    async def model_info(self, model: str) -> ModelInfo:
        """The model's properties. Raises InvalidConfig when there is no such model."""
        ...

    async def list_models(self) -> list[str]:
        """Ids of the models in the provider's own list."""
        ...

    async def close(self) -> None: ...
