"""A note that tells a level sets a gauge."""

import math

from telemetry.metrics.metrics import Metrics
from telemetry.observer import Note


def test_the_last_level_told_is_what_is_scraped() -> None:
    metrics = Metrics()
    for limit, rate in ((16.0, math.inf), (50.0, 9.5)):
        metrics(Note("adaptive.concurrency", labels={"provider": "openai"}, value=limit))
        metrics(Note("adaptive.rate", labels={"provider": "openai"}, value=rate))
    text = metrics.render().decode()
    assert 'llm_provider_concurrency_limit{provider="openai"} 50.0' in text
    assert 'llm_provider_start_rate_limit{provider="openai"} 9.5' in text
