"""Kafka brokers of the tests' own: the embedded one, and Apache Kafka (KRaft) from Maven's jars."""

import base64
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from devtools.servers import CACHE, ROOT, Process, ServerMissing, free_port, port_open

LIBS = CACHE / "kafka/libs"
POM = ROOT / "devtools/kafka_pom.xml"
#: Written last, with the pom's text: an interrupted download, or another version, is done again.
COMPLETE = LIBS / "pom.xml"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=4
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


def install_kafka() -> str:
    """Jars into .cache/kafka/libs; does nothing when those of the pom are there."""
    if _installed():
        return f"Kafka's jars are in {LIBS}"
    mvn = shutil.which("mvn")
    if mvn is None:
        raise ServerMissing("kafka", "no mvn on PATH")
    shutil.rmtree(LIBS, ignore_errors=True)
    done = subprocess.run(
        [
            mvn,
            "-q",
            "-B",
            "-f",
            str(POM),
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={LIBS}",
        ],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise ServerMissing("kafka", f"mvn failed: {(done.stdout + done.stderr)[-500:]}")
    shutil.copy(POM, COMPLETE)
    return f"Kafka's jars installed in {LIBS}"


def _installed() -> bool:
    return COMPLETE.exists() and COMPLETE.read_bytes() == POM.read_bytes()


class KafkaServer:
    """Apache Kafka on one port for its life: stop, kill, pause/resume, start again with its data."""

    def __init__(self, *, host: str = "127.0.0.1", **properties: str) -> None:
        """`properties`: of the broker, with `_` for `.`."""
        java = shutil.which("java")
        if java is None:
            raise ServerMissing("kafka", "no java on PATH (17 or newer)")
        if not _installed():
            raise ServerMissing("kafka", "run `python -m devtools install-kafka`")
        self.directory = Path(tempfile.mkdtemp(prefix="umpire-kafka-"))
        self.host = host
        self.port = free_port()
        self._java = [java, "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{LIBS}/*"]
        self._properties = self.directory / "server.properties"
        self._properties.write_text(
            PROPERTIES.format(host=host, port=self.port, controller=free_port(), data=self.directory / "data")
        )
        with self._properties.open("a") as file:
            file.writelines(f"{name.replace('_', '.')}={value}\n" for name, value in properties.items())
        command = [*self._java, "kafka.Kafka", str(self._properties)]
        self.process = Process("kafka", command, self.directory / "log")

    @property
    def bootstrap(self) -> str:
        return f"{self.host}:{self.port}"

    def start(self) -> "KafkaServer":
        if not (self.directory / "data").exists():
            self._format()
        self.process.start(lambda: port_open(self.port, self.host), deadline=60)
        return self

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A cluster id that starts with "-" would be read as an option.
        cluster = "A" + cluster[1:]
        command = [*self._java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"kafka storage format: {done.stdout}{done.stderr}")

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    def pause(self) -> None:
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    def discard(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class EmbeddedKafka:
    """`python -m events.embedded`. A restart takes a new port and forgets everything."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="umpire-embedded-"))
        self._port_file = self.directory / "port"
        command = [sys.executable, "-m", "events.embedded", "--port-file", str(self._port_file)]
        self.process = Process("embedded kafka", command, self.directory / "log")

    @property
    def bootstrap(self) -> str:
        return self._port_file.read_text()

    def start(self) -> "EmbeddedKafka":
        self.process.start(self._port_file.exists)
        return self

    def stop(self) -> int | None:
        return self.process.stop()

    def discard(self) -> None:
        self.process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
