"""Fixtures: one running API per test on an empty Redis. For conftest.py of tests/service and tests/web."""

import pytest
from umpire_service import Worker, running_api, settings_of

import service.app


@pytest.fixture(autouse=True)
def no_flush(monkeypatch):
    """Most tests have no Kafka: do not wait for it at the end."""
    monkeypatch.setattr(service.app, "FLUSH_SECONDS", 0.0)


@pytest.fixture
def settings(redis_url):
    return settings_of(redis_url, immediate_wait_seconds=5.0)


@pytest.fixture
async def api(settings):
    async with running_api(settings) as it:
        yield it


@pytest.fixture
async def worker(settings, api):
    async with Worker(settings).working() as it:
        yield it
