"""Random bytes and ids, taken from the operating system in blocks: its call costs as much as validating an event."""

import os
from uuid import UUID

#: Portions in one block.
_PORTIONS = 64


class RandomBytes:
    """Portions of `size` random bytes; each is used once. Safe in threads, and in a forked child."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._portions: list[bytes] = []
        os.register_at_fork(after_in_child=self._portions.clear)  # else parent and child would use the same ones

    def take(self) -> bytes:
        try:
            return self._portions.pop()  # atomic, unlike a position in a block
        except IndexError:
            size, block = self._size, os.urandom(self._size * _PORTIONS)
            self._portions.extend(block[start : start + size] for start in range(size, len(block), size))
            return block[:size]


_uuids = RandomBytes(16)


def random_uuid() -> UUID:
    """As uuid.uuid4."""
    return UUID(bytes=_uuids.take(), version=4)
