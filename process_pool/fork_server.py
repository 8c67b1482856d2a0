"""Forks the children: `python -m process_pool.fork_server MODULE:FUNCTION FD`.

FD is a connection to the processes that use the children. Each message on it is one byte with two sockets:
one for the requests of a new child, and its *lifeline*. If the lifeline's other end is closed, the child is
killed. When a child has ended, the server writes its exit to the lifeline. The server ends, and kills all its
children, when the connection has no other end any more.
"""

import gc
import importlib
import json
import mmap
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass

from process_pool.child import Function, Note, serve
from process_pool.messages import OUT_OF_MEMORY_EXIT

NOTE_BYTES = 512  #: maximum size of what a child tells about its work


@dataclass(frozen=True)
class _Child:
    """A child that runs.

    Attributes:
        pid: its process id.
        lifeline: is closed by the child's user to kill it.
        memory: what the child tells about its work; it survives the child.
    """

    pid: int
    lifeline: socket.socket
    memory: mmap.mmap


class ForkServer:
    """Forks children that call one function.

    Args:
        function: the function.
        control: the connection from which the messages come.
    """

    def __init__(self, function: Function, control: socket.socket) -> None:
        self._function = function
        self._control = control
        self._children = dict[int, _Child]()
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Serve until the connection ends."""
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(read, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._control:
                    if not self._start_child():
                        self._kill_all()
                        return
                elif key.fileobj == read:
                    os.read(read, 4096)
                    self._reap()
                elif key.data in self._children:
                    self._selector.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)  # it was not reaped, so the pid is still that child's

    def _start_child(self) -> bool:
        """Start a child; return False if the connection has ended."""
        byte, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
        if not byte:
            return False
        for descriptor in descriptors:
            os.set_blocking(descriptor, True)
        requests, lifeline = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        try:
            memory = mmap.mmap(-1, NOTE_BYTES)
            pid = os.fork()
        except OSError:  # there may be no memory, or as many processes as the container may have
            requests.close()  # for the user, this child has died
            lifeline.close()
            return True
        if pid == 0:
            self._run_child(requests, lifeline, memory)
        requests.close()
        self._children[pid] = _Child(pid, lifeline, memory)
        self._selector.register(lifeline, selectors.EVENT_READ, pid)
        return True

    def _run_child(self, requests: socket.socket, lifeline: socket.socket, memory: mmap.mmap) -> None:
        """Become the child; never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            # What a child has to say goes through its connection. Without memory, libraries write
            # thousands of lines, for example lxml for each error of a page that it cannot record.
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            os.close(quiet)
            lifeline.close()
            self._control.close()
            self._selector.close()
            for other in self._children.values():
                other.lifeline.close()
            serve(requests, self._function, _note_in(memory))
            code = 0
        except OSError:
            code = 0  # the user has closed the connection
        except MemoryError:
            code = OUT_OF_MEMORY_EXIT
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            note = child.memory[:].rstrip(b"\0").decode(errors="replace")
            with suppress(KeyError):  # it was unregistered when the child was killed
                self._selector.unregister(child.lifeline)
            with suppress(OSError):  # its user has closed it
                child.lifeline.sendall(json.dumps({"code": code, "note": note}).encode())
            child.lifeline.close()
            child.memory.close()

    def _kill_all(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)


def _note_in(memory: mmap.mmap) -> Note:
    def note(text: str) -> None:
        memory[:] = text.encode(errors="replace")[:NOTE_BYTES].ljust(NOTE_BYTES, b"\0")

    return note


def main(name: str, descriptor: str) -> None:
    """Run the server."""
    # The server lives as long as the processes that use it, which end in their own time after a signal.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    module, _, attribute = name.partition(":")
    function: Function = getattr(importlib.import_module(module), attribute)
    gc.collect()
    gc.freeze()  # so that collections in the children do not copy the memory that they share
    ForkServer(function, socket.socket(fileno=int(descriptor))).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
