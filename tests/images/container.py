"""Runs an image's command under Cloud Run's container contract, as far as this machine allows.

https://cloud.google.com/run/docs/container-contract: PORT and K_* are set, and SIGTERM comes 10 s before
SIGKILL. The tests are stricter than the contract: there is no home directory, and only /dev/shm is writable.
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

# A shell script that remounts all file systems of its mount namespace read-only and runs its arguments.
REMOUNT_READ_ONLY = """
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
    """A running service.

    Attributes:
        process: the service's process.
        port: the port that it listens on, on 127.0.0.1.
        log: the file with its standard output and standard error.
        started_at: the time of its start, in seconds of time.monotonic().
    """

    process: subprocess.Popen[str]
    port: int
    log: Path
    started_at: float

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send a request over a new connection; return the response's status and body. Bodies are JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            content_type = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body or None, content_type | (headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def first_response(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Repeat a request until the service listens; return the first response.

        Raises:
            AssertionError: the service ended before it listened; the message contains its log.
        """
        while self.process.poll() is None:
            try:
                return self.request(method, path, body)
            except ConnectionRefusedError:
                time.sleep(0.005)
        raise AssertionError(f"the service exited with {self.process.returncode}: {self.log.read_text()}")


@contextmanager
def running(image: Image, log: Path, **variables: str) -> Iterator[Container]:
    """Run `image` with `variables` and the variables that Cloud Run sets, until the context ends."""
    port = free_port()
    environment = {
        **image.environment,
        "PORT": str(port),
        "K_SERVICE": "scrapeq",
        "K_REVISION": "scrapeq-00001",
    }
    with log.open("w") as output:
        started_at = time.monotonic()
        process = subprocess.Popen(
            [*sandbox_prefix(image.user), *image.command],
            cwd=image.working_directory,
            env=environment | variables,
            stdout=output,
            stderr=output,
            text=True,
        )
    try:
        yield Container(process, port, log, started_at)
    finally:
        process.kill()
        process.wait(120)


def sandbox_prefix(user: str) -> tuple[str, ...]:
    """Return the words before a command that run it as `user` (`uid:gid`) without write access."""
    uid, gid = user.split(":")
    # The user may read every file, because this machine's Python may be in a directory closed to other users.
    may_read = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    as_user = (
        "setpriv",
        f"--reuid={uid}",
        f"--regid={gid}",
        "--clear-groups",
        *may_read,
        "--no-new-privs",
        "--",
    )
    return (*_read_only_prefix(), *(as_user if os.geteuid() == 0 else ()))


@cache
def _read_only_prefix() -> tuple[str, ...]:
    """Return the words before a command that make the file system read-only, or () if not permitted."""
    as_root = () if os.geteuid() == 0 else ("--map-root-user",)
    prefix = ("unshare", *as_root, "--mount", "--", "/bin/sh", "-c", REMOUNT_READ_ONLY, "sh")
    try:
        trial = subprocess.run([*prefix, "true"], capture_output=True, check=False, timeout=120)
    except FileNotFoundError:
        return ()
    return prefix if trial.returncode == 0 else ()


def is_read_only() -> bool:
    """Return whether this machine permits `running` to make the file system read-only."""
    return bool(_read_only_prefix())
