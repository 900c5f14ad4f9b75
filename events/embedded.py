"""The embedded Kafka broker: librdkafka's mock cluster, in a process of its own.

`python -m events.embedded --port-file PATH` writes host:port to PATH and runs until SIGTERM. It speaks the real
protocol and keeps everything in memory: topics are created on first use, and all data is lost when the process ends.
"""

import argparse
import os
import signal
from pathlib import Path

from confluent_kafka import Producer


def start() -> tuple[Producer, str]:
    """Start a mock cluster. Returns a producer, with which the cluster lives and ends, and the bootstrap address."""
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    return producer, f"{broker.host}:{broker.port}"


def announce(path: Path, bootstrap: str) -> None:
    """Write the address atomically: a reader sees all of it or no file."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(bootstrap)
    partial.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m events.embedded", description="Embedded Kafka broker")
    parser.add_argument("--port-file", type=Path, required=True, help="file that receives host:port")
    options = parser.parse_args()
    # Block the signals before librdkafka starts its threads, which inherit the mask: only sigwait below gets them.
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
