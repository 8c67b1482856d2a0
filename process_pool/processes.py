"""Starts the fork server, and its children."""

import json
import os
import signal
import socket
import sys
import threading

from process_pool import messages
from process_pool.limits import Limits
from process_pool.messages import Answer, ConnectionEnded

EXIT_SECONDS = 10.0  #: how long to wait for the exit of a child that was killed
#: The environment variables that the server inherits. It needs no settings, and must not know credentials.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
#: A setting of glibc's malloc in the children. Without fastbins, freed blocks are joined at once and not at
#: large allocations, which takes 2 to 3 % less of a page's time
#: (https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html).
_MALLOC = {"GLIBC_TUNABLES": "glibc.malloc.mxfast=0"}


class ChildExit(Exception):
    """The child has ended before it answered.

    Attributes:
        code: its exit code; if a signal ended it, the negative number of the signal.
        note: what it did last, in a few words.
    """

    def __init__(self, code: int, note: str) -> None:
        super().__init__(f"exit code {code}")
        self.code = code
        self.note = note


class ForkServerProcess:
    """The fork server, which is shared by this process and by those that it forks.

    Args:
        function: the function that the children call, as `module:function`; see `child.Function`.
    """

    def __init__(self, function: str) -> None:
        self._function = function
        self._control = -1
        self._lock = threading.Lock()

    def ensure_started(self) -> None:
        """Start the server, if it does not run. Its processes need a quarter of a second to start."""
        with self._lock:
            if self._control >= 0 and not _has_ended(self._control):
                return
            if self._control >= 0:
                os.close(self._control)
            ours, theirs = socket.socketpair()
            theirs.set_inheritable(True)
            environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
            environment |= _MALLOC
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
            arguments = [sys.executable, "-m", "process_pool.fork_server", self._function]
            # posix_spawn and not subprocess, which gevent patches
            os.posix_spawn(sys.executable, [*arguments, str(theirs.fileno())], environment)
            theirs.close()
            self._control = ours.detach()
            os.set_blocking(self._control, False)

    def check_running(self) -> None:
        """Return normally if the server runs.

        Raises:
            OSError: if it has died.
        """
        if _has_ended(self._control):
            raise OSError("the fork server has died")

    def start_child(self, limits: Limits) -> "Child":
        """Return a new child.

        Raises:
            OSError: if the server has died.
        """
        requests, child_requests = socket.socketpair()
        lifeline, child_lifeline = socket.socketpair()
        child = Child(requests, lifeline)
        try:
            with child_requests, child_lifeline, socket.socket(fileno=os.dup(self._control)) as control:
                socket.send_fds(control, [b"f"], [child_requests.fileno(), child_lifeline.fileno()])
            messages.send_request(requests, limits.encode(), b"")
        except BaseException:
            child.close()
            raise
        return child


class Child:
    """A child, as its user sees it.

    Args:
        requests: connection for the requests.
        lifeline: the child is killed when this connection is closed.
    """

    def __init__(self, requests: socket.socket, lifeline: socket.socket) -> None:
        self._requests = requests
        self._lifeline = lifeline

    def call(self, request: bytes, body: bytes, seconds: float) -> Answer:
        """Return the answer to a request.

        Raises:
            TimeoutError: if there is no answer after `seconds`; the child still runs.
            ChildExit: if the child has ended.
        """
        self._requests.settimeout(seconds)
        try:
            messages.send_request(self._requests, request, body)
            return messages.receive_answer(self._requests)
        except TimeoutError:
            raise
        except (ConnectionEnded, OSError):
            raise self.wait() from None

    def wait(self) -> ChildExit:
        """Kill the child if it still runs, and return its exit."""
        self._requests.close()
        code, note = -signal.SIGKILL, ""
        try:
            self._lifeline.shutdown(socket.SHUT_WR)
            self._lifeline.settimeout(EXIT_SECONDS)
            if text := b"".join(iter(lambda: self._lifeline.recv(4096), b"")):
                exit_record = json.loads(text)
                code, note = exit_record["code"], exit_record["note"]
        except OSError:
            pass  # the server has died
        self._lifeline.close()
        return ChildExit(code, note)

    def close(self) -> None:
        """Kill the child if it still runs."""
        self._requests.close()
        self._lifeline.close()


def _has_ended(control: int) -> bool:
    """Return whether the server has closed its end, on which it never writes."""
    try:
        return os.read(control, 1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
