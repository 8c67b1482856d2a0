"""Tests how the memory of a child is limited where the kernel does not show all of it."""

import os
import subprocess
import sys

from tests.repository.tree import ROOT

WITHOUT_VM_DATA = """
import resource
from pathlib import Path
from process_pool.limits import USUAL_DATA_BYTES, Limits, Memory
Path.read_text = lambda path, encoding: "Name:\\tpython\\nVmRSS:\\t100 kB\\n"
Memory(Limits(1.0, 64 * 1024 * 1024)).restrict()
print(resource.getrlimit(resource.RLIMIT_DATA)[0] - USUAL_DATA_BYTES == 64 * 1024 * 1024)
"""


def test_memory_is_limited_in_a_sandbox_that_does_not_show_it() -> None:
    """If /proc/self/status has no VmData, an upper estimate takes its place."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    output = subprocess.check_output([sys.executable, "-c", WITHOUT_VM_DATA], env=environment, text=True)
    assert output == ("True\n" if sys.platform == "linux" else "False\n")
