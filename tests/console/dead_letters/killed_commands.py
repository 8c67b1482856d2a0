"""Runs commands of `scrapeq` in forks of one process, and kills each at a step; a program of the tests.

Each line of its standard input is JSON: the number of the step before which SIGKILL ends the command, or 0
for none, and the words of the command. For each it prints JSON: the exit status, and what was written. Steps
are the calls of Pub/Sub: each is counted before it is sent, and again after it was confirmed.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

from console.cli.commands import app
from console.dead_letters import acts, processing, publishing, queue, replayer

EMPTY_PULL_SECONDS = 0.5  #: seconds until a pull without a dead letter ends
SMALL_BATCH = 3  #: dead letters of one pull, so that a command has several batches


class _Steps:
    """Counts steps, and kills the process before the last one."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._count = 0

    def next(self) -> None:
        self._count += 1
        if self._count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with a step before and a step after a call."""

        def counted(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - those of any call
            self.next()
            result = call(*arguments, **named)
            self.next()
            return result

        return counted


def _count_calls(steps: _Steps) -> None:
    for client, names in (
        (SubscriberClient, ("pull", "modify_ack_deadline", "acknowledge")),
        (PublisherClient, ("publish",)),
    ):
        for name in names:
            setattr(client, name, steps.around(getattr(client, name)))
    # The end of this function is the confirmation of all messages.
    counted = steps.around(publishing.publish)
    for module in (acts, publishing, replayer):
        setattr(module, "publish", counted)  # noqa: B010 - it is an import of another module
    setattr(processing, "MESSAGES_PER_PULL", SMALL_BATCH)  # noqa: B010 - it is a constant of another module
    setattr(queue, "PULL_TIMEOUT_SECONDS", EMPTY_PULL_SECONDS)  # noqa: B010 - it is, too


def run(last: int, words: list[str]) -> tuple[int, str]:
    """Run a command in a fork; return its exit status, which is negative for a signal, and its output."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            _count_calls(_Steps(last))
            try:
                app(words, standalone_mode=True)
            except SystemExit as ended:
                sys.stdout.flush()
                os._exit(int(ended.code or 0))
            finally:
                os._exit(70)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode(errors="replace")


if __name__ == "__main__":
    for text in sys.stdin:
        sys.stdout.write(json.dumps(run(*json.loads(text))) + "\n")
        sys.stdout.flush()
