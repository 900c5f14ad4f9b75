"""Benchmarks of the whole service, as its own processes on loopback: `python -m benchmarks` (docs/performance.md)."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks/out"
