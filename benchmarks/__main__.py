"""Runs the benchmarks and compares them with the goals: tables, benchmarks/out/results.json and results.png.

`python -m benchmarks judging` simulates classes instead, without a service: see `python -m benchmarks judging --help`.
"""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from benchmarks import OUT, cpu, report
from benchmarks.cases import CASES, Bench
from benchmarks.events import Stuck
from benchmarks.plot import plot
from benchmarks.score import Verdict, score
from benchmarks.stack import Servers
from benchmarks.tables import show
from benchmarks.tools import prepare
from devtools.servers import ServerMissing

#: Errors of one run: it stalled, a process did not start, or a client did not end. The other runs go on.
FAILURES = (Stuck, RuntimeError, subprocess.SubprocessError)

USUAL = tuple(name for name, case in CASES.items() if case.usual)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "only",
        nargs="*",
        choices=[[], *CASES],
        metavar="NAME",
        help=f"of {', '.join(USUAL)} (these), {', '.join(CASES.keys() - set(USUAL))}",
    )
    parser.add_argument(
        "--runs", type=int, default=5, help="runs of each case, fewer of the long ones; the medians count (5)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one run of a fifth of the size, to see that everything works"
    )
    parser.add_argument("--rate", type=float, default=900.0, help="comparisons a second that `paced` offers (900)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes in the runs at 20 ms (2: one a core)")
    parser.add_argument(
        "--fsync", choices=["always", "everysec"], default="always", help="Redis' appendfsync (always, as `umpire up`)"
    )
    parser.add_argument(
        "--kafka",
        choices=["auto", "apache", "embedded"],
        default="auto",
        help="broker (Apache Kafka if it is installed)",
    )
    return parser.parse_args()


def main() -> int:
    if sys.argv[1:2] == ["judging"]:
        from benchmarks.judging.__main__ import main as simulate  # needs no servers

        return simulate(sys.argv[2:])
    arguments = parse()
    # So that `with` blocks stop every process on SIGTERM as they do on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    OUT.mkdir(parents=True, exist_ok=True)
    try:
        tools = prepare()
    except ServerMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    runs, scale = (1, 0.2) if arguments.quick else (arguments.runs, 1.0)
    stuck = 0
    results: dict[str, list[Mapping[str, Any]]] = {name: [] for name in arguments.only or USUAL}
    stolen: dict[str, list[float]] = {name: [] for name in results}
    with Servers(tools, fsync=arguments.fsync, kafka=arguments.kafka) as servers:
        bench = Bench(servers, tools, scale=scale, rate=arguments.rate, workers=arguments.workers)
        machine = report.machine(servers, fsync=arguments.fsync) | {"worker_processes": bench.workers}
        for run in range(runs):
            for name, found in results.items():
                case = CASES[name]
                of = min(runs, case.most or runs)
                if run >= of:
                    continue
                began, ticks, remark = time.monotonic(), cpu.stolen(), ""
                try:
                    found.append(case.run(bench, run))
                except FAILURES as error:
                    stuck, remark = stuck + 1, f"  no result: {error}"
                # The share of CPU time that the host gave to other virtual machines.
                taken = cpu.stolen_share(ticks, cpu.stolen())
                stolen[name].append(taken)
                remark = f"  {100 * taken:.1f} % stolen{remark}" if taken else remark
                print(f"run {run + 1}/{of}  {name:14} {time.monotonic() - began:5.1f} s{remark}", flush=True)
                # Written after each run, so that an interrupted benchmark keeps its results.
                medians = {name: report.medians(found) for name, found in results.items() if found}
                rows = score(medians, {name: len(found) for name, found in results.items()}, results)
                report.write(OUT / "results.json", machine | {"stolen": stolen}, results, medians, rows)
    plot(medians, rows, OUT / "results.png")
    show(machine, medians, rows)
    print(f"written to {OUT}/results.json and results.png")
    if arguments.quick:
        print("a --quick run only shows that everything works; its figures are not valid")
        return 1 if stuck else 0
    return 1 if stuck or any(row.verdict is Verdict.FAILED for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
