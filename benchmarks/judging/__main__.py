"""Simulates classes with known truth: prints tables with their noise, writes results and plots to benchmarks/out."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence

# Small matrices are slower on several threads. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks import OUT
from benchmarks.judging import study
from benchmarks.judging.grading import grading
from benchmarks.judging.k95 import k95
from benchmarks.judging.plot import plot
from benchmarks.judging.reliability import reliability
from benchmarks.judging.several import several
from benchmarks.judging.speed import speed
from benchmarks.judging.stopping import stopping
from benchmarks.judging.study import Table

STUDIES: dict[str, Callable[[int], Table]] = {
    "speed": speed,
    "several": several,
    "stopping": stopping,
    "reliability": reliability,
    "grading": grading,
    "k95": k95,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks judging", description=__doc__)
    parser.add_argument("only", nargs="*", choices=[[], *STUDIES], metavar="STUDY", help=", ".join(STUDIES))
    parser.add_argument("--runs", type=int, default=200, help="classes of each case (200)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that simulate classes (1)")
    options = parser.parse_args(arguments)
    study.JOBS = options.jobs
    OUT.mkdir(parents=True, exist_ok=True)
    tables: dict[str, Table] = {}
    for name in options.only or STUDIES:
        began = time.monotonic()
        tables[name] = table = STUDIES[name](options.runs)
        print("\n".join(table.show()))
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
        # What is simulated so far is not lost when the next study is stopped.
        found = {name: table.as_dict() for name, table in tables.items()}
        (OUT / "judging.json").write_text(json.dumps({"runs": options.runs, "studies": found}, indent=2) + "\n")
        plot(tables, OUT / "judging.png")
    print(f"written to {OUT}/judging.json and judging.png")
    return 0 if all(goal.met for table in tables.values() for goal in table.goals) else 1


if __name__ == "__main__":
    sys.exit(main())
