"""Checks of keys and addresses in settings. No message repeats the value, which may be a secret."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

#: What an HTTP header may hold, as the clients in use encode it (RFC 9110, 5.5, without obs-text).
_HEADER_TEXT = re.compile(r"[\x20-\x7e]+")


def _header_secret(value: SecretStr) -> SecretStr:
    """Keys are copied from web pages and files, often with a line break or with invisible characters."""
    text = value.get_secret_value().strip()
    if not _HEADER_TEXT.fullmatch(text):
        raise ValueError(
            "is empty but for white space"
            if not text
            else "holds a character that no HTTP header may hold (a zero-width space, a byte order mark, a line break?)"
        )
    return SecretStr(text)


#: A secret that travels in an HTTP header. White space around it is dropped.
HeaderSecret = Annotated[SecretStr, AfterValidator(_header_secret)]


def _base_url(value: str) -> str:
    try:
        url = urlsplit(value)
        good = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good or re.search(r"[\x00-\x20\x7f]", value):
        raise ValueError("must be http://host[:port][/path], or https://…")
    if "?" in value or "#" in value:
        raise ValueError("must have no query and no fragment: paths of the provider's API are appended to it")
    return value


#: Where a provider's API begins.
BaseUrl = Annotated[str, AfterValidator(_base_url)]
