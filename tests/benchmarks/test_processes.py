"""Tests that processes of the benchmarks end, and what is known of them."""

import sys
from pathlib import Path

from benchmarks.peers.processes import Launcher, descendants, is_running
from console.stack.process import ProcessWatcher
from tests.servers.waiting import wait_until

#: A process below it that never ends by itself, and which the kernel needs some time to end.
PARENT = """
import subprocess, sys
children = [subprocess.Popen([sys.executable, "-c", sys.argv[1]]) for _ in range(4)]
children[0].wait()
"""
CHILD = "memory = bytearray(100_000_000); open(str(__import__('os').getpid()), 'x')\nwhile True: pass"


def test_a_killed_process_has_ended_with_all_below_it(tmp_path: Path) -> None:
    """When `kill` returns, a server can start again with the ports and the data of the killed one."""
    with ProcessWatcher() as watcher, Launcher(tmp_path, watcher) as launcher:
        process = launcher.start([sys.executable, "-c", PARENT, CHILD], {})
        below = list[int]()

        def have_started() -> bool:
            below[:] = descendants(process.pid)
            return len(below) == 4 and all((tmp_path / str(pid)).exists() for pid in below)

        wait_until(have_started, "four processes run")
        launcher.kill(process)
        assert [pid for pid in (process.pid, *below) if is_running(pid)] == []
