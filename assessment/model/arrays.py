"""Types of arrays, and checks of arrays that come from a caller."""

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assessment.errors import InvalidComparisons

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]


def whole_number(value: Any, what: str, *, least: int) -> int:
    """`value` as an int. Raises InvalidComparisons when it is not a whole number of at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidComparisons(f"{what} must be a whole number, got {value!r}") from None
    if number < least:
        raise InvalidComparisons(f"{what} must be at least {least}, got {number}")
    return number


def positive(value: Any, what: str, *, low: float, high: float) -> float:
    """`value` as a float. Raises InvalidComparisons when it is not a number from `low` to `high`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidComparisons(f"{what} must be a number, got {value!r}") from None
    if not low <= number <= high:
        raise InvalidComparisons(f"{what} must be from {low:g} to {high:g}, got {number}")
    return number


def indices(values: Any, what: str, *, below: int | None = None, length: int | None = None) -> Indices:
    """`values` as an array of indices.

    Raises
    ------
    InvalidComparisons
        Not whole numbers, of another length than `length`, negative, or not below `below`.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise InvalidComparisons(f"{what}: rows of different lengths") from None
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise InvalidComparisons(f"{what}: must be whole numbers, got {array.dtype}")
    if length is not None and array.shape != (length,):
        raise InvalidComparisons(f"{what}: want shape ({length},), got {array.shape}")
    if array.size and (array.min() < 0 or (below is not None and array.max() >= below)):
        raise InvalidComparisons(f"{what}: must be 0 to {'…' if below is None else below - 1}")
    return array.astype(np.intp)


def numbers(values: Any, what: str, *, length: int | None = None) -> Array:
    """`values` as an array of finite floats, shape (length,) or (m,).

    Raises
    ------
    InvalidComparisons
        Not numbers, not finite, or of another shape.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise InvalidComparisons(f"{what}: rows of different lengths") from None
    if array.dtype == np.bool_ or not (np.issubdtype(array.dtype, np.number) and np.isrealobj(array)):
        if array.size:
            raise InvalidComparisons(f"{what}: must be numbers, got {array.dtype}")
        array = array.astype(np.float64)
    if array.ndim != 1 or (length is not None and len(array) != length):
        raise InvalidComparisons(f"{what}: want shape ({'m' if length is None else length},), got {array.shape}")
    if not np.all(np.isfinite(array)):
        raise InvalidComparisons(f"{what}: must be finite")
    return array.astype(np.float64)


def pairs_of(values: Any, what: str, *, n_items: int) -> Indices:
    """`values` as pairs of two different items, shape (m, 2).

    Raises
    ------
    InvalidComparisons
        Another shape, not whole numbers, an item out of range, or an item paired with itself.
    """
    pairs = indices(values, what, below=n_items)
    if pairs.size == 0:
        return np.empty((0, 2), dtype=np.intp)
    if pairs.ndim != 2 or pairs.shape[1] != 2:  # noqa: PLR2004 - a pair
        raise InvalidComparisons(f"{what}: want shape (m, 2), got {pairs.shape}")
    if np.any(pairs[:, 0] == pairs[:, 1]):
        raise InvalidComparisons(f"{what}: an item compared with itself")
    return pairs
