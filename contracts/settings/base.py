"""What all settings classes share."""

from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contracts.enums import LLMErrorCode

PREFIX = "UMPIRE_"


class Concern(BaseSettings):
    """Settings of one concern. A field's docstring is its line in docs/settings.md; docs/generate.py reads it from the
    source, which pydantic would do in every process, at each start.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        # A file or a shell may leave a line's end on a value.
        str_strip_whitespace=True,
    )


def split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


#: A list in one variable, its parts separated by commas.
CommaList = Annotated[list[str], NoDecode, BeforeValidator(split)]
CommaFloats = Annotated[list[float], NoDecode, BeforeValidator(split)]
CommaCodes = Annotated[list[LLMErrorCode], NoDecode, BeforeValidator(split)]
