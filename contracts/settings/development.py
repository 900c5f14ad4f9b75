"""Whether this is a development or a production installation, and what is allowed in development only."""

from pathlib import Path
from typing import Literal

from contracts.settings.base import Concern


class DevelopmentSettings(Concern):
    environment: Literal["development", "production"] = "development"
    """What this installation is for. `production` refuses to start with UMPIRE_RECORD_RESPONSES. UMPIRE_AUTH=keys
    refuses it too, because an installation with API keys has real callers."""
    record_responses: bool = False
    """Write each request to a provider and its response into a file, prompts included and API keys removed, to
    check the provider's contract. For development only: refused if UMPIRE_ENVIRONMENT is `production` or
    UMPIRE_AUTH is `keys`. The newest 1,000 files of the last 7 days are kept."""
    record_directory: Path = Path("llm_response_logs")
    """Directory of the files of UMPIRE_RECORD_RESPONSES. Only the user of the process can read them."""
