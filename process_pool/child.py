"""The program of a child: answers requests one after the other, within its limits."""

import os
import resource
import signal
import socket
import traceback
from collections.abc import Callable

from process_pool import messages
from process_pool.limits import Limits, Memory, start_cpu_time, stop_cpu_time
from process_pool.messages import Answer, ConnectionEnded

#: Tells what the function does at the moment, in a few words.
Note = Callable[[str], None]
#: The function that a child calls: with a request, its body, and a `Note`. It returns the result.
Function = Callable[[bytes, bytes, Note], bytes]


def serve(connection: socket.socket, function: Function, note: Note) -> None:
    """Answer the requests of a connection until it ends, or until this process must be replaced.

    Raises:
        MemoryError: if a request needed more memory than its limit. There may be none left for an answer, so
            the process must end with `messages.OUT_OF_MEMORY_EXIT`.
    """
    for number in (signal.SIGPROF, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    limits = Limits.decode(messages.receive_request(connection)[0])
    os.nice(limits.niceness)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = Memory(limits)
    memory.restrict()
    while True:
        note("")
        try:
            request, body = messages.receive_request(connection)
        except ConnectionEnded:
            return
        start_cpu_time(limits)
        answer = _answer(function, request, body, note, memory)
        stop_cpu_time()
        del request, body
        messages.send_answer(connection, answer)
        if answer.kind == messages.LAST_RESULT:
            return


def _answer(function: Function, request: bytes, body: bytes, note: Note, memory: Memory) -> Answer:
    try:
        result = function(request, body, note)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - the parent raises it as an error of this program
        if memory.is_exhausted():
            raise MemoryError from None
        return Answer(messages.RAISED, traceback.format_exc().encode(errors="replace"))
    if memory.is_exhausted():
        raise MemoryError
    if len(result) > messages.MAX_ANSWER_BYTES:
        return Answer(messages.TOO_LARGE, b"")
    return Answer(messages.LAST_RESULT if memory.has_grown() else messages.RESULT, result)
