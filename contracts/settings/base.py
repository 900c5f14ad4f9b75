"""What all settings classes share."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from contracts.enums import LLMErrorCode

PREFIX = "UMPIRE_"

#: Prefix of the variables for tests and chaos. They are not documented, and a production start refuses them.
TEST_PREFIX = "UMPIRE_TEST_"


class Concern(BaseSettings):
    """Settings of one concern. A field's docstring is its line in docs/settings.md; docs/generate.py reads it from the
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
CommaFloats = Annotated[list[float], NoDecode, BeforeValidator(split)]
CommaCodes = Annotated[list[LLMErrorCode], NoDecode, BeforeValidator(split)]
