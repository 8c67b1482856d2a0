"""Runs an image's command under Cloud Run's container contract, as far as this machine allows.

https://cloud.google.com/run/docs/container-contract: PORT and K_* are set, SIGTERM comes 10 s before the
end. Stricter than it: no home, and a file system that nothing can be written to but /dev/shm.
"""

import http.client
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from console.stack.ports import free_port
from tests.images.dockerfile_build import Image

# A namespace of its own, in which everything that is mounted turns read-only.
READ_ONLY = """
mount --make-rprivate /
for point in $(cut -d' ' -f5 /proc/self/mountinfo); do
  case $point in
    /dev | /dev/* | /proc | /proc/* | /sys | /sys/*) ;;
    *) mount -o remount,bind,ro "$point" || exit 125 ;;
  esac
done
exec "$@"
"""


@dataclass
class Container:
    """A service that runs."""

    process: subprocess.Popen[str]
    port: int
    log: Path
    started: float  #: time.monotonic() just before its start

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Ask over a connection of its own; return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def first_answer(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Ask until somebody listens; return what is answered then."""
        while self.process.poll() is None:
            try:
                return self.ask(method, path, body)
            except ConnectionRefusedError:
                time.sleep(0.005)  # a port that is not open yet tells nobody when it opens
        raise AssertionError(f"it ended with {self.process.returncode}: {self.log.read_text()}")


@contextmanager
def running(image: Image, log: Path, **variables: str) -> Iterator[Container]:
    """Run `image` with `variables` beside what Cloud Run sets, until the block ends."""
    port = free_port()
    environment = {
        **image.environment,
        "PORT": str(port),
        "K_SERVICE": "scrapeq",
        "K_REVISION": "scrapeq-00001",
    }
    with log.open("w") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            [*confinement(image.user), *image.command],
            cwd=image.working_directory,
            env=environment | variables,
            stdout=output,
            stderr=output,
            text=True,
        )
    try:
        yield Container(process, port, log, started)
    finally:
        process.kill()
        process.wait(120)


def confinement(user: str) -> tuple[str, ...]:
    """Return what goes before a command so that it can write nothing, and is nobody in particular."""
    uid, gid = user.split(":")
    # It may read everything, because this machine's Python may lie where only its owner may look.
    reads = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    drop = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *reads, "--no-new-privs", "--")
    return (*_read_only(), *(drop if os.geteuid() == 0 else ()))


@cache
def _read_only() -> tuple[str, ...]:
    """Return the prefix that turns the file system read-only; nothing where this machine forbids that."""
    as_root = () if os.geteuid() == 0 else ("--map-root-user",)
    prefix = ("unshare", *as_root, "--mount", "--", "/bin/sh", "-c", READ_ONLY, "sh")
    try:
        tried = subprocess.run([*prefix, "true"], capture_output=True, check=False, timeout=120)
    except FileNotFoundError:
        return ()
    return prefix if tried.returncode == 0 else ()


def is_read_only() -> bool:
    """Return whether `running` gives a read-only file system here, and not only an unprivileged user."""
    return bool(_read_only())
