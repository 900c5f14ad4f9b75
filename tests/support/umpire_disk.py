"""Small file systems that a test can fill, without the right to mount on this machine.

They are mounted in a mount namespace of the test's own: in the machine's user namespace where that is allowed, else in
a further one, in which every user may mount (user_namespaces(7)). `/proc/<pid>/root` shows them to the test itself.
"""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devtools.servers import ServerMissing

#: Ways to a mount namespace: options of unshare(1), and of nsenter(1) to join it.
_WAYS = (((), ()), (("--map-root-user",), ("--user", "--preserve-credentials")))


@dataclass(frozen=True)
class Disk:
    path: Path
    """As processes in its namespace name it."""
    seen: Path
    """The same folder, as this process names it."""


class Namespace:
    """A mount namespace, which lives as long as a process in it that waits for us."""

    def __init__(self) -> None:
        """Raises ServerMissing."""
        if not (shutil.which("unshare") and shutil.which("nsenter")):
            raise ServerMissing("mount namespace", "no unshare and nsenter on PATH (Linux; Debian: util-linux)")
        for unshare, enter in _WAYS:
            holder = subprocess.Popen(
                ["unshare", *unshare, "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt && echo ready && exec cat"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            assert holder.stdout
            if holder.stdout.readline() == b"ready\n":
                self._holder = holder
                self._enter = ["nsenter", "--target", str(holder.pid), *enter, "--mount"]
                return
            holder.wait()
        raise ServerMissing("mount namespace", "neither mounting nor a user namespace is allowed here")

    def seen(self, path: Path) -> Path:
        """A path of the namespace, for this process."""
        return Path(f"/proc/{self._holder.pid}/root{path}")

    def command(self, command: Sequence[str], cwd: Path) -> list[str]:
        """That runs this one in the namespace. It keeps its pid: each step of it is replaced by the next."""
        return [*self._enter, "sh", "-c", 'cd "$0" && exec "$@"', str(cwd), *command]

    def mount(self, path: Path, size: str) -> Disk:
        """An empty file system on this folder, which is made where it is missing."""
        options = f"size={size},mode=0700"
        script = f'mkdir -p -m 0700 "$0" && mount -t tmpfs -o {options} tmpfs "$0"'
        subprocess.run([*self._enter, "sh", "-c", script, str(path)], check=True)
        return Disk(path, self.seen(path))

    def discard(self) -> None:
        """The kernel unmounts what only this namespace has."""
        self._holder.kill()
        self._holder.wait()
