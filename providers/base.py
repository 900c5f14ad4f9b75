"""The one face of every provider: a call goes in, a completion comes out, or an error of the project's own tree."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from contracts.enums import LLMProviderType, OutputVerbosity, ReasoningEffort
from contracts.events import TokenUsage
from contracts.http import PromptBlock
from providers.model import ModelInfo

#: Header of every call: ties a line in the provider's journal to one attempt of ours.
ATTEMPT_HEADER = "X-Umpire-Attempt"

#: What the SDK itself waits for a connection or for the next bytes, in seconds. Generous: the caller bounds the whole
#: call with asyncio.timeout, the only thing that also ends a body which drips.
SDK_TIMEOUT = 600.0


#: What a model's name looks like.
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

    #: The whole prompt; the cache counts are parts of it.
    input_tokens: int = 0
    #: The whole answer; `reasoning_tokens` is a part of it.
    output_tokens: int = 0
    cached_tokens: int = 0
    #: Written to the provider's cache; the second count, kept there for an hour, is a part of the first.
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    #: USD, where the provider tells the cost itself.
    reported_cost: float | None = None
    #: Whether the counts that price the call could all be read. Where not, the cost is not known.
    known: bool = True

    def as_token_usage(self) -> TokenUsage:
        return TokenUsage(
            prompt_tokens=self.input_tokens,
            completion_tokens=self.output_tokens,
            total_tokens=self.input_tokens + self.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """What the provider says of our rate limits; resets in seconds from now. None: not said."""

    requests_limit: int | None = None
    requests_remaining: int | None = None
    requests_reset: float | None = None
    tokens_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_reset: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt. The prompt is kept out of the repr, so that no log line can show it."""

    attempt_id: str
    model: str
    #: System prompt and user prompt, whole: what `blocks` say, joined, when there are blocks.
    system: str = field(repr=False)
    user: str = field(repr=False)
    blocks: tuple[PromptBlock, ...] = field(repr=False)
    max_tokens: int
    temperature: float | None
    effort: ReasoningEffort | None
    verbosity: OutputVerbosity | None
    model_info: ModelInfo = field(repr=False)


@dataclass(frozen=True, slots=True)
class Completion:
    text: str = field(repr=False)
    #: The model that answered, as the provider names it.
    model: str
    usage: Usage
    stop_reason: StopReason
    headers: RateHeaders | None = None
    #: The provider's own word for why it stopped, where that is more than an ordinary end.
    stopped: str = ""


#: What a provider's word for a stop looks like. Anything else may be text, and is left out.
_STOP = re.compile(r"[A-Za-z][A-Za-z_-]{0,63}")


def stop_word(told: object) -> str:
    """Why the provider stopped, in its own word."""
    return told if isinstance(told, str) and _STOP.fullmatch(told) else ""


def answering(told: str, asked: str) -> str:
    """The model that answered, by what the provider told. It goes into events: no text but a name gets there."""
    return told if _MODEL.fullmatch(told) else asked


class Provider(Protocol):
    name: LLMProviderType

    async def warm_up(self) -> None:
        """Load the SDK and make its client: seconds, on a busy machine, that the first calls would lose otherwise."""
        ...

    async def complete(self, call: Call) -> Completion:
        """One call upstream, never more. Raises only errors of contracts/errors.py, and CancelledError. An error that
        came inside an answer has that answer's `usage`.
        """
        ...

    async def model_info(self, model: str) -> ModelInfo:
        """Raises InvalidConfig when there is no such model."""
        ...

    async def list_models(self) -> list[str]:
        """Ids of the models that the provider itself lists."""
        ...

    async def close(self) -> None: ...
