"""Escapes control characters in text of callers, models and servers, so that a terminal can show it safely.

A terminal interprets control characters in text: ESC and the C1 controls move the cursor, change colours and the title,
and write to the clipboard (OSC 52); a carriage return overwrites the line; bidirectional overrides reorder the letters.
"""

#: Tab and line feed are not escaped.
_LINES = {0x09, 0x0A}

_CONTROLS = {*range(0x20), 0x7F, *range(0x80, 0xA0)} - _LINES
#: Controls of bidirectional text (UAX 9), and Unicode's line and paragraph separators.
_FORMATS = {0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)}
#: Surrogates are not characters: printing one raises UnicodeEncodeError.
_SURROGATES = range(0xD800, 0xE000)

_JSON = {code: f"\\u{code:04x}" for code in (*_CONTROLS, *_FORMATS, *_SURROGATES)}
_SHOWN = _JSON | {code: f"\\x{code:02x}" for code in _CONTROLS}


def visible(text: str) -> str:
    r"""The text with each control character replaced by its escape, such as `\\x1b`. Line feeds and tabs stay."""
    return text if text.isascii() and text.isprintable() else text.translate(_SHOWN)


def visible_json(text: str) -> str:
    """JSON with control characters as JSON escapes. They occur only in its strings, so the values stay the same."""
    return text.translate(_JSON)
