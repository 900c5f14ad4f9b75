"""Text that is not ours, as a terminal may show it: a caller's, a model's, a server's.

A terminal obeys what stands between the letters: ESC and the C1 controls move, recolour, retitle, and write to the
clipboard (OSC 52); a carriage return overwrites the line; bidirectional overrides show the letters in another order.
"""

#: Left as they are.
_LINES = {0x09, 0x0A}

_CONTROLS = {*range(0x20), 0x7F, *range(0x80, 0xA0)} - _LINES
#: Of bidirectional text (UAX 9), and Unicode's own line ends.
_FORMATS = {0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)}
#: No character at all: printing one raises.
_SURROGATES = range(0xD800, 0xE000)

_JSON = {code: f"\\u{code:04x}" for code in (*_CONTROLS, *_FORMATS, *_SURROGATES)}
_SHOWN = _JSON | {code: f"\\x{code:02x}" for code in _CONTROLS}


def visible(text: str) -> str:
    r"""With each control character as its escape, `\\x1b`. Line ends and tabs stay."""
    return text if text.isascii() and text.isprintable() else text.translate(_SHOWN)


def visible_json(text: str) -> str:
    """The same JSON values: control characters can stand in its strings only, and are escaped as JSON does it."""
    return text.translate(_JSON)
