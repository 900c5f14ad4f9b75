"""Runs the benchmarks and writes tables, benchmarks/out/results.json and benchmarks/out/results.png."""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import OUT, report
from benchmarks.accept import accept
from benchmarks.chain import Load, backlog, bare_call, paced
from benchmarks.events import Stuck
from benchmarks.fairness import fairness
from benchmarks.single import single
from benchmarks.stack import Servers
from benchmarks.tools import Tools, prepare

#: What one worker process can do at best with an upstream of 1 s and 200 slots, comparisons a second.
IDEAL = 200.0

Case = Callable[[int], dict[str, Any]]


def cases(servers: Servers, tools: Tools, *, scale: float, rate: float) -> dict[str, Case]:
    """Name → one run of it, given the run's number."""

    def count(n: float) -> int:
        return max(int(n * scale), 300)

    full = Load(count=count(6000), upstream_ms=20, slots=64, seconds=120)
    steady = Load(count=count(10 * rate), upstream_ms=20, slots=64, seconds=120, rate=rate)
    slow_full = Load(count=count(15 * IDEAL), upstream_ms=1000, slots=200, seconds=120)
    offered = 0.95 * IDEAL
    slow_steady = Load(count=count(15 * offered), upstream_ms=1000, slots=200, seconds=120, rate=offered)
    return {
        "accept": lambda run: accept(servers, tools, run=run, count=count(12_000)),
        "single": lambda _: single(servers, count=max(int(200 * scale), 50)),
        "bare_call": lambda _: bare_call(servers, count=count(3000)),
        "backlog": lambda _: backlog(servers, tools, full),
        "paced": lambda _: paced(servers, tools, steady),
        "slow_backlog": lambda _: backlog(servers, tools, slow_full) | {"ideal": IDEAL},
        "slow_paced": lambda _: paced(servers, tools, slow_steady) | {"ideal": IDEAL},
        "fairness": lambda _: fairness(servers, tools),
    }


#: `fairness` takes five minutes a run, and is run only when it is asked for.
NAMES = ("accept", "single", "bare_call", "backlog", "paced", "slow_backlog", "slow_paced")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "only",
        nargs="*",
        choices=[[], *NAMES, "fairness"],
        metavar="NAME",
        help=f"of {', '.join(NAMES)} (these), fairness",
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each; medians are reported (3)")
    parser.add_argument("--quick", action="store_true", help="one run of a fifth of the size: does it all work?")
    parser.add_argument("--rate", type=float, default=900.0, help="comparisons a second that `paced` offers (900)")
    parser.add_argument(
        "--fsync", choices=["always", "everysec"], default="always", help="Redis' appendfsync (always, as `umpire up`)"
    )
    parser.add_argument(
        "--kafka", choices=["auto", "apache", "embedded"], default="auto", help="broker (Apache Kafka where it is)"
    )
    parser.add_argument("--no-go", action="store_true", help="upstream and load client in Python though Go is there")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    # So that `with` blocks stop every process on SIGTERM as they do on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    OUT.mkdir(parents=True, exist_ok=True)
    tools = prepare(use_go=not arguments.no_go)
    runs, scale = (1, 0.2) if arguments.quick else (arguments.runs, 1.0)
    failed = 0
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in arguments.only or NAMES}
    with Servers(tools, fsync=arguments.fsync, kafka=arguments.kafka) as servers:
        every = cases(servers, tools, scale=scale, rate=arguments.rate)
        machine = report.machine(servers, tools, fsync=arguments.fsync)
        for run in range(runs):
            for name, found in results.items():
                began = time.monotonic()
                said = ""
                try:
                    found.append(every[name](run))
                except Stuck as stuck:
                    failed, said = failed + 1, f"  no result: {stuck}"
                print(f"run {run + 1}/{runs}  {name:13} {time.monotonic() - began:5.1f} s{said}", flush=True)
            # After each round: what is measured so far is not lost when the next one is stopped.
            medians = {name: report.medians(found) for name, found in results.items() if found}
            report.write(OUT, machine, results, medians)
    print(f"written to {OUT}/results.json and results.png")
    report.show(machine, medians, results)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
