"""Ends a command without a stack trace if its output is closed or full, or cannot show a character."""

import codecs
import errno
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from console.terminal import printable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CLOSED_PIPE = 141  #: the shells' exit status for a program that SIGPIPE has ended: 128 + 13
#: Errors of a disk on which nothing can be written any more.
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
_ESCAPE = "scrapeq.escape"


@contextmanager
def reporting_output_errors() -> Iterator[None]:
    """Run a command, and exit if its output or a file cannot be written.

    Characters that the encoding of the output lacks are written as escapes of JSON: lines of JSON stay valid.

    Raises:
        SystemExit: with 141 if the reader of the output has closed it, as `head` does; with 1 after a message
            if a file or the output cannot be written.
        OSError: one that says nothing of a file.
    """
    before = sys.stdout, sys.stderr
    output, errors = _Output(before[0]), _Output(before[1])
    sys.stdout, sys.stderr = output.text, errors.text
    try:
        try:
            yield
        finally:
            output.text.flush()  # Python would only print the error of its own flush
            if output.error:  # a caller has handled it
                raise output.error
    except OSError as error:
        if isinstance(output.error or errors.error, BrokenPipeError):
            sys.exit(CLOSED_PIPE)
        if not output.error and error.filename is None and error.errno not in _DISK_ERRORS:
            raise
        with suppress(OSError):
            print(printable(_describe(error, is_output=bool(output.error))), file=errors.text, flush=True)
        sys.exit(1)
    finally:
        sys.stdout, sys.stderr = before


class _Output:
    """An output of the process that remembers whether writing to it has failed.

    Attributes:
        text: the stream that commands write to.
        error: the error of a write, if one has failed.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.error: OSError | None = None
        self.text: TextIO = stream or io.StringIO()  # None if the shell has closed it
        if isinstance(stream, io.TextIOWrapper):
            buffered_by_line = stream.line_buffering
            with suppress(OSError):  # a stream of a test, which is no file
                raw = _RememberingFile(stream.fileno(), self)
                self.text = io.TextIOWrapper(
                    io.BufferedWriter(raw),
                    stream.encoding,
                    errors=_ESCAPE,
                    line_buffering=buffered_by_line,
                    write_through=stream.write_through,
                )


class _RememberingFile(io.FileIO):
    """A file of the process, which stays open when this object is deleted."""

    def __init__(self, descriptor: int, output: _Output) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._output = output

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write bytes; after an error, let them go nowhere, so that Python can flush its buffers."""
        if self._output.error:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self._output.error = error
            raise


def _describe(error: OSError, *, is_output: bool) -> str:
    if is_output:
        return f"The output cannot be written: {error.strerror}."
    place = "A file" if error.filename is None else str(error.filename)
    return f"{place} cannot be read or written: {error.strerror}."


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Return the characters that an encoding lacks as escapes of JSON, for `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)), error.end


codecs.register_error(_ESCAPE, _escape)
