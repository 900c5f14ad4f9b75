"""The embedded Kafka broker as a part of a stack. Each start has a new port and no data of earlier ones."""

from pathlib import Path

from cli.supervise.children import bare_environment, python_module
from cli.supervise.part import Launch


class EmbeddedKafka:
    def __init__(self, port_file: Path) -> None:
        self._port_file = port_file
        self.bootstrap = ""

    def launch(self) -> Launch:
        self._port_file.parent.mkdir(parents=True, exist_ok=True)
        self._port_file.unlink(missing_ok=True)
        return Launch(python_module("events.embedded", "--port-file", str(self._port_file)), bare_environment())

    async def ready(self) -> bool:
        if not self._port_file.exists():
            return False
        self.bootstrap = self._port_file.read_text().strip()
        return True
