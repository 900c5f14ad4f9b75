"""What an installation is for, and what is allowed in development only."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from contracts.settings.base import Concern


class DevelopmentSettings(Concern):
    environment: Literal["development", "production"] = "development"
    """What this installation is for. `production` refuses what is for development only: UMPIRE_RECORD_RESPONSES.
    UMPIRE_AUTH=keys does so too: who has callers of their own is in production, whatever this says."""
    record_responses: bool = False
    """Write every request to a provider and its answer into files, prompts included and API keys removed, to check the
    provider's contract. For development: refused where UMPIRE_ENVIRONMENT is `production` or UMPIRE_AUTH is `keys`."""
    record_directory: Path = Path("llm_response_logs")
    """Directory of those files; each is readable by its owner only."""
    record_max_files: int = Field(1_000, ge=1)
    """Newest of those files that are kept."""
    record_max_days: float = Field(7.0, gt=0)
    """Age at which they are deleted, in days."""
