"""What all settings classes share, with checks of keys and addresses. No message repeats the value, which may be a
secret.
"""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeFloat, SecretStr
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from contracts.enums import LLMErrorCode

PREFIX = "UMPIRE_"

#: Prefix of the variables for tests and chaos. They are not documented, and a production start refuses them.
TEST_PREFIX = "UMPIRE_TEST_"


class Concern(BaseSettings):
    """Settings of one concern. A field's docstring is its line in docs/settings.md; docs/generate/ reads it from the
    source, because pydantic would read it in each process at each start.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        # A value that was read from a file or a shell may end in a line break.
        str_strip_whitespace=True,
        # Constructors take an internal field by its name; the environment sets it by its alias.
        validate_by_name=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic passes it
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Constructor arguments and the environment. The environment does not set an internal field by its name."""
        env_settings.config = SettingsConfigDict(**{**env_settings.config, "validate_by_name": False})
        return init_settings, env_settings


def internal(default: Any, variable: str, **bounds: Any) -> Any:
    """A field that is no setting: no operator would change its value, and a wrong one breaks promises.

    Tests set it in the constructor of its class, or, as chaos does, in the environment of a process as
    `UMPIRE_TEST_<variable>`.
    """
    return Field(default, validation_alias=TEST_PREFIX + variable, **bounds)


def split(value: Any) -> Any:
    """The parts of a text that are separated by commas, without white space and without empty ones."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


#: A list in one variable, its parts separated by commas.
CommaList = Annotated[list[str], NoDecode, BeforeValidator(split)]
CommaFloats = Annotated[list[NonNegativeFloat], NoDecode, BeforeValidator(split)]
CommaCodes = Annotated[list[LLMErrorCode], NoDecode, BeforeValidator(split)]

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
