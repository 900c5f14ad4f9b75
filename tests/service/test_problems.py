"""The framework's own errors, and faults of ours, have the same shape as every other problem."""

import pytest

pytestmark = pytest.mark.redis
