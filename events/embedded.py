"""The embedded Kafka broker: librdkafka's mock cluster, in a process of its own.

`python -m events.embedded --port-file PATH` writes host:port to PATH and stays until SIGTERM. It speaks the real
protocol, and keeps everything in memory: topics are made on first use, and nothing outlives the process.
"""

import argparse
import os
import signal
from pathlib import Path

from confluent_kafka import Producer


def start() -> tuple[Producer, str]:
    """A running mock cluster, which lives as long as the producer that is returned, and its bootstrap address."""
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    return producer, f"{broker.host}:{broker.port}"


def announce(path: Path, bootstrap: str) -> None:
    """Write the address so that a reader sees all of it or nothing."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(bootstrap)
    partial.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m events.embedded", description="Embedded Kafka broker")
    parser.add_argument("--port-file", type=Path, required=True, help="file that receives host:port")
    options = parser.parse_args()
    # Blocked before librdkafka starts its threads, which inherit the mask: only sigwait below sees them.
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    cluster, bootstrap = start()
    announce(options.port_file, bootstrap)
    signal.sigwait(ending)
    options.port_file.unlink(missing_ok=True)
    del cluster
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
