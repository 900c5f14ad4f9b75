"""Bounds by count and by bytes. At the high watermark every request is refused until both are back at the low one.
Without the gap, a full store would accept one request for each that leaves, and clients could not plan a retry.
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
        # At least one request: a share of a store with room for one would accept none.
        return cls(max(1, high * count), high * size, low * count, low * size)

    def usage(self, count: int, size: int) -> float:
        """Used share of the high watermark, by count or by bytes, whichever is larger."""
        return max(count / self.most, size / self.most_bytes)

    def refuse(self, refusing: bool, count: int, size: int, incoming: int) -> bool:
        """Whether the next request, of `incoming` bytes, is refused. `refusing`: the last one was. As in admit.lua."""
        if refusing and (count > self.low or size > self.low_bytes):
            return True
        return count + 1 > self.most or size + incoming > self.most_bytes
