"""The chaos suite: a real stack, thousands of comparisons, faults by a seeded schedule, and an independent checker."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Folder for the journals of runs; git-ignored.
OUT = ROOT / "chaos-output"
