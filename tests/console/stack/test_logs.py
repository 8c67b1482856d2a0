"""Tests that the last lines of logs are found in large files, and that new lines are followed."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from console.stack.logs import BLOCK_BYTES, LogLine, last_lines, read_logs
from console.stack.stack_file import lock_data_directory


@pytest.mark.parametrize("count", [0, 1, 3, 10_000])
@pytest.mark.parametrize("size", [0, 1, 100, BLOCK_BYTES // 5, BLOCK_BYTES])
def test_last_lines_are_those_of_the_whole_file(tmp_path: Path, size: int, count: int) -> None:
    """Whatever the size of the file, the lines are those that reading all of it would give."""
    path = tmp_path / "a.log"
    lines = [f"line {number}".encode() for number in range(size)]
    path.write_bytes(b"".join(line + b"\n" for line in lines) + b"incomplete")
    found, offset = last_lines(path, count)
    assert found == lines[len(lines) - min(count, len(lines)) :]
    assert path.read_bytes()[offset:] == b"incomplete"


def test_new_lines_are_followed_until_the_stack_has_ended(tmp_path: Path) -> None:
    """Lines that are completed, written anew, or written at the end of the stack are all shown."""
    log = tmp_path / "logs" / "worker.log"
    log.parent.mkdir()
    log.write_text("old\nlast\nhalf")
    texts = iter([(" and half\n", "a"), ("new\n", "w"), ("end\n", "a")])  # `up --detach` begins its log anew
    with ExitStack() as running:
        running.enter_context(lock_data_directory(tmp_path))

        def write(_: float) -> None:
            text, mode = next(texts)
            with log.open(mode) as file:
                file.write(text)
            if text == "end\n":
                running.close()

        found = list(read_logs(tmp_path, ["worker"], 1, follow=True, sleep=write))
    assert found == [LogLine("worker", text) for text in ("last", "half and half", "new", "end")]
