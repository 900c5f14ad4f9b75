"""Redis with TLS, and an impostor of it: what listens there and shows a certificate that nobody signed."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from devtools.redis import RedisServer
from devtools.servers import free_port

PASSWORD = "the-password-of-redis"


@dataclass
class Authority:
    """One that signs, and files of what it signed for this machine."""

    folder: Path
    name: str = "ca"
    ca: trustme.CA = field(default_factory=trustme.CA)

    @property
    def certificate(self) -> Path:
        path = self.folder / f"{self.name}.pem"
        self.ca.cert_pem.write_to_path(path)
        return path

    def files(self, host: str = "127.0.0.1") -> tuple[Path, Path]:
        """Certificate and key of a server called `host`."""
        issued = self.ca.issue_cert(host)
        certificate, key = self.folder / f"{self.name}-{host}.crt", self.folder / f"{self.name}-{host}.key"
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        return certificate, key


@contextlib.contextmanager
def redis_with_tls(authority: Authority) -> Iterator[str]:
    """A real Redis: its URL, password included."""
    certificate, key = authority.files()
    port = free_port()
    options = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    options += ("--tls-ca-cert-file", str(authority.certificate), "--tls-auth-clients", "no")
    server = RedisServer(options=options)
    try:
        server.start()
        server.command("CONFIG", "SET", "requirepass", PASSWORD)
        yield f"rediss://default:{PASSWORD}@127.0.0.1:{port}/0"
    finally:
        server.discard()


@dataclass
class Impostor:
    port: int
    #: What clients told it, once TLS was up.
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"rediss://default:{PASSWORD}@127.0.0.1:{self.port}/0"


@contextlib.asynccontextmanager
async def impostor(authority: Authority, host: str = "127.0.0.1") -> AsyncIterator[Impostor]:
    """Answers OK to whatever it is told."""
    it = Impostor(free_port())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.files(host))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """By hand, so that a connection counts whose handshake fails."""
        it.connections += 1
        with contextlib.suppress(OSError):
            await writer.start_tls(context)
            while data := await reader.read(65_536):
                it.heard.append(data)
                writer.write(b"+OK\r\n" * data.count(b"*"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", it.port)
    async with server:
        yield it
