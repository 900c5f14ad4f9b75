"""`python -m chaos`: break a real stack by a seeded schedule, and check that its promises held.

`python -m chaos check FOLDER` checks the journals of a run again.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from pathlib import Path

from chaos import OUT, ROOT
from chaos.check.evidence import Evidence
from chaos.check.recovery import recoveries
from chaos.check.report import judge
from chaos.check.show import lines
from chaos.journal import RUN
from chaos.network import enter_own_network


def main() -> int:
    arguments = parse()
    if arguments.command == "check":
        return check(arguments.folder)
    enter_own_network()
    return run(arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, help="seed of the schedule and of the requests (default: random)")
    parser.add_argument("--comparisons", type=int, help="least number of accepted requests (5000; with --short 300)")
    parser.add_argument("--rate", type=float, help="submissions a second (15; with --short 10)")
    parser.add_argument("--short", action="store_true", help="only the quick faults, as CI runs them")
    parser.add_argument("--only", nargs="+", metavar="FAULT", help="only these faults, by name")
    parser.add_argument("--out", type=Path, help=f"folder for the journals ({OUT.name}/<time>-<seed>)")
    parser.add_argument("--tree", type=Path, default=ROOT, help="checkout whose umpire runs (this one)")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("check", help="check the journals of a run again").add_argument("folder", type=Path)
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    from chaos import faults
    from chaos.run import Form, Run, say
    from chaos.schedule import FULL, SHORT
    from chaos.timing import QUICK, Timing

    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    kinds = SHORT if arguments.short else FULL
    if arguments.only:
        kinds = [getattr(faults, name.replace("-", "_")) for name in arguments.only]
    form = Form(
        comparisons=arguments.comparisons or (300 if arguments.short else 5000),
        rate=arguments.rate or (10.0 if arguments.short else 15.0),
        kinds=kinds,
        timing=QUICK if arguments.short else Timing(),
        tree=arguments.tree.resolve(),
    )
    out = (arguments.out or OUT / f"{time.strftime('%m%d-%H%M%S')}-{seed}").resolve()
    out.mkdir(parents=True)
    say(f"seed {seed}; journals and logs in {out}")
    began = time.monotonic()
    try:
        asyncio.run(Run(out, seed, form)())
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("stopped early; nothing was checked")
        return 2
    code = check(out)
    say(f"seed {seed}, {time.monotonic() - began:.0f} s in all; journals and logs in {out}")
    return code


def check(folder: Path) -> int:
    evidence = Evidence.load(folder)
    report = judge(evidence)
    began = json.loads((folder / RUN).read_text())["started"]
    sys.stdout.write("\n".join(lines(report, recoveries(evidence), began)) + "\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
