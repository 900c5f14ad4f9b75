"""The mock provider: makes no network calls and costs nothing; MockSettings determine its answers.

Every random choice depends on the seed and the attempt id only: the same attempt always has the same outcome.
"""

import asyncio
import json
import math
import random
from bisect import bisect_left

from contracts import errors
from contracts.clock import utcnow
from contracts.enums import EssayComparisonWinner, LLMErrorCode, LLMProviderType
from contracts.settings import MockSettings
from contracts.settings.provider import MockConfidence
from providers.base import Call, ProviderAnswer, StopReason, Usage
from providers.mock_essays import find_essays, strength
from providers.models.manifest import Manifest
from providers.models.model_info import ModelInfo

_CHARS_PER_TOKEN = 4

#: Perceived margins, in logits, that separate the confidences 1 to 5.
CONFIDENCE_THRESHOLDS = (0.75, 1.5, 2.5, 4.0)
#: In logits: the noise of confidences of kind `half`, and the margin that separates 4 from 5 in kind `high`.
HALF_NOISE_SD, HIGH_THRESHOLD = 1.5, 2.0
#: Relative frequencies of the confidences 1 to 5 of kind `uneven`.
UNEVEN = (2, 8, 20, 50, 20)
#: Standard deviation, in logits, of the strengths of essays whose text states none (mode `latent`).
_STRENGTH_SPREAD = 2.0

#: The error of a failed call, for each code of MOCK_FAILURES (contracts/settings) except those in _BAD_ANSWERS.
_FAILURES: dict[LLMErrorCode, type[errors.UmpireError]] = {
    LLMErrorCode.PROVIDER_UNAVAILABLE: errors.ProviderUnavailable,
    LLMErrorCode.PROVIDER_RATE_LIMIT: errors.ProviderRateLimited,
    LLMErrorCode.PROVIDER_TIMEOUT: errors.ProviderTimeout,
    LLMErrorCode.PROVIDER_API_ERROR: errors.ProviderServerError,
    LLMErrorCode.CONFIGURATION_ERROR: errors.ProviderMisconfigured,
    LLMErrorCode.COST_LIMIT_EXCEEDED: errors.SpendLimitReached,
    LLMErrorCode.INVALID_PROMPT: errors.InvalidPrompt,
    LLMErrorCode.INVALID_CONFIG: errors.InvalidConfig,
    LLMErrorCode.CONTENT_TOO_LONG: errors.ContentTooLong,
    LLMErrorCode.CALLBACK_TOPIC_MISSING: errors.CallbackTopicMissing,
    LLMErrorCode.INVALID_CALLBACK_TOPIC: errors.InvalidCallbackTopic,
    LLMErrorCode.QUEUE_FULL: errors.QueueFull,
    LLMErrorCode.INTERNAL_ERROR: errors.InternalError,
    LLMErrorCode.REQUEST_EXPIRED: errors.RequestExpired,
}

#: Failures that are answers without a valid verdict; their tokens count like those of any other answer.
_BAD_ANSWERS = {
    LLMErrorCode.PARSING_ERROR: "I prefer the first one.",
    LLMErrorCode.INVALID_RESPONSE: '{"winner": "both", "justification": "They are equally good.", "confidence": 9}',
}


class MockProvider:
    name = LLMProviderType.MOCK

    def __init__(self, settings: MockSettings) -> None:
        self._settings = settings
        self._codes = settings.error_codes

    async def warm_up(self) -> None:
        return None

    async def complete(self, call: Call) -> ProviderAnswer:
        draw = random.Random(f"{self._settings.seed}:{call.attempt_id}")
        latency = draw.gauss(self._settings.latency_ms, self._settings.jitter_ms)
        await asyncio.sleep(max(latency, 0.0) / 1000)
        if self._codes and draw.random() < self._settings.error_rate:
            code = draw.choice(self._codes)
            if code not in _BAD_ANSWERS:
                raise _FAILURES[code]("The mock provider fails, as its settings ask for", provider=self.name.value)
            answer = _BAD_ANSWERS[code]
        else:
            answer = self._judge(call.user, draw)
        return ProviderAnswer(
            text=answer,
            model=call.model,
            usage=Usage(
                input_tokens=(len(call.system) + len(call.user)) // _CHARS_PER_TOKEN,
                output_tokens=len(answer) // _CHARS_PER_TOKEN,
            ),
            stop_reason=StopReason.END,
        )

    def _judge(self, prompt: str, draw: random.Random) -> str:
        settings = self._settings
        if settings.mode == "fixed":
            return _answer(EssayComparisonWinner(settings.winner), confidence=5)
        essays = find_essays(prompt)
        a_first = essays.a_first if essays else True
        log_odds = settings.position_bias if a_first else -settings.position_bias
        if essays and settings.mode == "latent":
            log_odds += strength(essays.a, _STRENGTH_SPREAD) - strength(essays.b, _STRENGTH_SPREAD)
        a_wins, confidence = judge(log_odds, settings.confidence, settings.lapse_rate, draw)
        return _answer(EssayComparisonWinner.ESSAY_A if a_wins else EssayComparisonWinner.ESSAY_B, confidence)

    async def model_info(self, model: str) -> ModelInfo:
        return Manifest.load().known(self.name, model, utcnow().date())

    async def list_models(self) -> list[str]:
        return [info.model_id for info in Manifest.load().models(self.name)]

    async def close(self) -> None:
        """Does nothing: the mock has no open resources."""


def judge(log_odds: float, kind: MockConfidence, lapse_rate: float, draw: random.Random) -> tuple[bool, int]:
    """Judge one pair: whether essay A wins, and the confidence.

    The judge perceives the log odds of essay A plus logistic noise, so winners follow the Bradley–Terry model. A lapse
    perceives the noise alone. benchmarks/judging simulates whole classes by the same rules.
    """
    lapsed = lapse_rate > 0 and draw.random() < lapse_rate
    share = draw.random()
    noise = math.log1p(-share) - math.log(share) if share else math.inf
    margin = (0.0 if lapsed else log_odds) + noise
    return margin > 0, _confidence(log_odds, abs(margin), kind, draw)


def _confidence(log_odds: float, margin: float, kind: MockConfidence, draw: random.Random) -> int:
    match kind:
        case "expected":
            # tanh(x / 2) is 2p − 1 of the logistic probability p = σ(x), and does not overflow.
            return 1 + round(4 * abs(math.tanh(log_odds / 2)))
        case "perceived":
            return 1 + bisect_left(CONFIDENCE_THRESHOLDS, margin)
        case "half":
            return 1 + bisect_left(CONFIDENCE_THRESHOLDS, abs(margin + draw.gauss(0, HALF_NOISE_SD)))
        case "high":
            return 5 if margin > HIGH_THRESHOLD else 4
        case "noise":
            return draw.randint(1, 5)
        case "uneven":
            return draw.choices(range(1, 6), UNEVEN)[0]


def _answer(winner: EssayComparisonWinner, confidence: int) -> str:
    justification = f"{winner.value} is the stronger of the two by the mock judge's measure; no essay was read."
    return json.dumps({"winner": winner.value, "justification": justification, "confidence": confidence})
