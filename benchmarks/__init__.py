"""Benchmarks of the whole service, as its own processes on loopback: `python -m benchmarks` (docs/performance.md)."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks/out"

# The servers that the tests run on are the ones measured here: one way to find and start each.
sys.path.insert(0, str(ROOT / "tests/support"))
