"""Tests that a signal at any moment leaves the processes of a stack so that they can be stopped."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from console.stack.process import Launch, Process, ProcessWatcher
from console.stack.signals import raise_on_signals
from tests.servers.waiting import MAX_WAIT_SECONDS


def test_signal_during_a_query_of_the_status_leaves_the_process_stoppable(tmp_path: Path) -> None:
    """After 200 signals that interrupted queries whether a process has ended, it is killed and waited for."""
    command = (sys.executable, "-c", "import time; time.sleep(3600)")
    with ProcessWatcher() as watcher:
        process = Process(Launch("sleeper", command, os.environ, tmp_path / "log", ""), watcher)
        for _ in range(200):
            try:
                with raise_on_signals(), terminated_soon():
                    while process.exit_status is None:
                        pass
            except KeyboardInterrupt:
                continue
        killing = threading.Thread(target=process.kill, daemon=True)
        killing.start()
        killing.join(MAX_WAIT_SECONDS)
        assert not killing.is_alive()
        assert process.exit_status == -signal.SIGKILL


@contextmanager
def terminated_soon() -> Iterator[None]:
    """Send SIGTERM to this process after a millisecond of processor time, between any two instructions.

    A thread could send it only while the main thread does not run.
    """
    previous = signal.signal(signal.SIGPROF, lambda *_: signal.raise_signal(signal.SIGTERM))
    signal.setitimer(signal.ITIMER_PROF, 0.001)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
