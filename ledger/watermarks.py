"""Bounds by count and by bytes. From the high watermark on everything is refused, until both are back at the low one:
without the gap, a full store would let one request in for each that leaves, and nobody would know whether to come back.
"""

from typing import NamedTuple, Self


class Watermarks(NamedTuple):
    most: float
    most_bytes: float
    low: float
    low_bytes: float

    @classmethod
    def of(cls, count: int, megabytes: float, *, low: float, high: float) -> Self:
        size = megabytes * 1e6
        # One is taken in any case: of a store for one, a share would take none.
        return cls(max(1, high * count), high * size, low * count, low * size)

    def usage(self, count: int, size: int) -> float:
        """Share of the high watermark that is taken: by count or by bytes, whichever is more."""
        return max(count / self.most, size / self.most_bytes)

    def refuse(self, refusing: bool, count: int, size: int, incoming: int) -> bool:
        """Whether the next one, of `incoming` bytes, is refused; `refusing`: the last one was. As in admit.lua."""
        if refusing and (count > self.low or size > self.low_bytes):
            return True
        return count + 1 > self.most or size + incoming > self.most_bytes
