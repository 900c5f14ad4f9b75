"""A whole stack of the module's own, as `umpire up` starts it."""

from collections.abc import Iterator

import pytest
from umpire_cli import Up


@pytest.fixture(scope="module")
def _ups() -> Iterator[dict[str, Up]]:
    made: dict[str, Up] = {}
    yield made
    for up in made.values():
        up.discard()


@pytest.fixture
def up(_ups: dict[str, Up], kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Up:
    """The mock provider, Redis of its own, and the tests' Kafka. One for all tests of a module."""
    if "mock" not in _ups:
        _ups["mock"] = Up(
            tmp_path_factory.mktemp("e2e") / "data",
            UMPIRE_KAFKA_BOOTSTRAP=kafka_bootstrap,
            UMPIRE_MOCK_LATENCY_MS="100",
            UMPIRE_MOCK_CONCURRENCY="32",
            UMPIRE_LOG_LEVEL="debug",
        )
        _ups["mock"].start()
    return _ups["mock"]
