"""The logistic function and its derivatives, without overflow."""

import numpy as np

from assessment.model.arrays import Array


def sigmoid(x: Array) -> Array:
    """σ(x) = 1 / (1 + e^−x)."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))


def log_sigmoid(x: Array) -> Array:
    """Log σ(x)."""
    return np.asarray(np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x))))


def curvature(x: Array) -> Array:
    """−(log σ)″ = σ′ = σ(x) σ(−x)."""
    t = np.tanh(0.5 * x)
    return np.asarray(0.25 * (1.0 - t * t))


def curvature_slope(x: Array) -> Array:
    """σ″, the derivative of `curvature`."""
    t = np.tanh(0.5 * x)
    return np.asarray(-0.25 * t * (1.0 - t * t))
