"""The peers alone, without umpire: `python -m benchmarks.peers [--count N]`."""

import argparse
import signal
import sys

from benchmarks import OUT
from benchmarks.peers import peers
from benchmarks.stack import Servers
from benchmarks.tools import prepare


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--count", type=int, default=3000, help="requests to each, after the warm-up (3000)")
    arguments = parser.parse_args()
    # So that `with` blocks stop every process on SIGTERM as they do on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    OUT.mkdir(parents=True, exist_ok=True)
    tools = prepare()
    with Servers(tools, fsync="always", kafka="embedded") as servers:
        found = peers(servers, tools, count=arguments.count)
    print(f"{'':20}{'a second':>10}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'CPU ms':>10}")
    for name, one in found.items():
        numbers = "".join(f"{one[key]:10.1f}" for key in ("rate", "p50_ms", "p95_ms", "p99_ms"))
        print(f"{name + ' ' + one['version']:20}{numbers}{one['cpu_ms']:10.2f}")


if __name__ == "__main__":
    main()
