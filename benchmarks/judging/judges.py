"""Simulated judges: perceived margins with an order effect, lapses, and confidences of several kinds."""

from dataclasses import dataclass

import numpy as np

from contracts.settings.provider import MockConfidence
from providers.mock import CONFIDENCE_THRESHOLDS, HALF_NOISE_SD, HIGH_THRESHOLD, UNEVEN


@dataclass(frozen=True)
class SimulatedJudge:
    """Perceives d (θ_first − θ_second) + γ + logistic noise, and says who is better and how sure it is."""

    order_effect: float = 0.0
    #: Share of answers at random, unrelated to the essays.
    lapse_rate: float = 0.0
    discrimination: float = 1.0
    confidence: MockConfidence = "perceived"

    def answer(self, strengths, shown, rng, side):
        """(whether the first one wins, confidence) for pairs (first, second), shape (p, 2).

        `side`: the generator of what is random about the confidence alone.
        """
        first, second = shown[:, 0], shown[:, 1]
        log_odds = self.discrimination * (strengths[first] - strengths[second]) + self.order_effect
        margin = log_odds + rng.logistic(size=len(shown))
        lapsed = rng.random(len(shown)) < self.lapse_rate
        margin = np.where(lapsed, rng.logistic(size=len(shown)), margin)
        return margin > 0, self._confidence(log_odds, margin, side)

    def _confidence(self, log_odds, margin, rng):
        size = np.abs(margin)
        match self.confidence:
            case "expected":
                return 1 + np.round(4 * np.abs(np.tanh(log_odds / 2))).astype(int)
            case "perceived":
                return 1 + np.searchsorted(CONFIDENCE_THRESHOLDS, size)
            case "half":
                noisy = np.abs(size + rng.normal(0, HALF_NOISE_SD, len(size)))
                return 1 + np.searchsorted(CONFIDENCE_THRESHOLDS, noisy)
            case "high":
                return np.where(size > HIGH_THRESHOLD, 5, 4)
            case "noise":
                return rng.integers(1, 6, len(size))
            case "uneven":
                return rng.choice(5, len(size), p=np.divide(UNEVEN, sum(UNEVEN))) + 1


PLAIN = SimulatedJudge()
#: What the tables call a noisy judge.
NOISY = SimulatedJudge(order_effect=0.5, lapse_rate=0.05)
