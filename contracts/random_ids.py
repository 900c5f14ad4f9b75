"""Random bytes and ids, taken from the operating system in blocks: its call costs as much as validating an event."""

import os

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

#: Hexadecimal digit → the digit that holds its last two bits and the variant of RFC 9562.
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def random_uuid_text() -> str:
    """As str(uuid.uuid4()), RFC 9562, 5.4; a fifth of its time."""
    text = _uuids.take().hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"
