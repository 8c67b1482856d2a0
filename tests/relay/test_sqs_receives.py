"""A relay of SQS receives little while no messages arrive, and much while they do."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from console.stack.ports import free_port
from publishing.publisher import Message
from publishing.sqs.queues import Queues
from relay.broker import Received
from relay.sqs.broker import Sqs
from relay.sqs.receives import BUSY_WAIT_SECONDS, IDLE_WAIT_SECONDS, MAX_RECEIVES
from relay.subscriptions import Subscription, pulled
from tests.relay.sqs import SqsUnderTest
from tests.repository.tree import ROOT
from tests.servers.moto_sqs import CREDENTIALS, MotoSqs
from tests.servers.scripted_sqs import Call, running_scripted_sqs
from tests.servers.waiting import MAX_WAIT_SECONDS, POLL_SECONDS, wait_until

BUSY, IDLE = BUSY_WAIT_SECONDS, IDLE_WAIT_SECONDS
#: A relay that would wait for its receive would only end after the test's time limit.
RELAY_WITHOUT_READ_TIMEOUT = """
import sys
from publishing.sqs import queues
from relay.__main__ import main
queues.READ_SECONDS = 10_000
sys.exit(main())
"""


class Recorder:
    """The receives of this process. It shortens their waits to a second, so that a test is short.

    Attributes:
        waits: the seconds that each receive was to wait.
        most_idle: the highest number of open receives while one of the longest wait was open.
    """

    def __init__(self) -> None:
        self.waits = list[int]()
        self.most_idle = 0
        self._open = list[int]()
        self._call = Queues.call

    def call(self, queues: Queues, action: str, queue: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
        """See `Queues.call`."""
        if action != "receive_message":
            return self._call(queues, action, queue, **parameters)
        seconds = parameters["WaitTimeSeconds"]
        self.waits.append(seconds)
        self._open.append(seconds)
        if IDLE in self._open:
            self.most_idle = max(self.most_idle, len(self._open))
        try:
            shorter: dict[str, Any] = {**parameters, "WaitTimeSeconds": min(1, seconds)}
            return self._call(queues, action, queue, **shorter)
        finally:
            self._open.remove(seconds)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A recorder of the receives."""
    recorder = Recorder()

    def call(self: Queues, action: str, queue: str, **parameters: object) -> dict[str, Any]:
        return recorder.call(self, action, queue, **parameters)

    monkeypatch.setattr(Queues, "call", call)
    return recorder


@pytest.fixture
def dead_letters() -> Subscription:
    """A subscription of which a test needs no relay."""
    return next(pulled())


@pytest.fixture
def sqs(moto_sqs_server: MotoSqs) -> SqsUnderTest:
    """Empty queues."""
    broker = SqsUnderTest(moto_sqs_server)
    broker.create()
    return broker


async def fact(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(MAX_WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - a thread sets it, which has no event of this loop
            await asyncio.sleep(POLL_SECONDS)


def test_one_receive_at_a_time_waits_as_long_as_possible_while_nothing_arrives(
    sqs: SqsUnderTest, recorder: Recorder, dead_letters: Subscription
) -> None:
    """An idle queue costs one request in 20 s; a message lets as many receives begin as before."""

    async def check() -> None:
        received = list[Received]()
        broker = Sqs(sqs.url, dead_letters, 2 * 100)
        await broker.start(received.append)
        # Nothing is in the queue: each of the receives finds nothing, and only one goes on
        first = [0] + MAX_RECEIVES * [BUSY]
        await fact(lambda: len(recorder.waits) >= len(first) + 4)
        assert recorder.waits[: len(first) + 4] == first + 4 * [IDLE]
        # The others may still be about to end when the first idle one begins
        recorder.most_idle = 0
        begun = len(recorder.waits)
        await fact(lambda: len(recorder.waits) >= begun + 2)
        assert recorder.most_idle == 1
        # A message arrives
        await asyncio.to_thread(publish, sqs)
        await fact(lambda: recorder.waits.count(BUSY) == 2 * MAX_RECEIVES)
        assert [each.message.data for each in received] == [b"late"]
        # Nothing arrives again
        begun = len(recorder.waits)
        await fact(lambda: len(recorder.waits) >= begun + 3)
        assert recorder.waits[begun : begun + 3] == 3 * [IDLE]
        broker.acknowledge(received[0])
        await broker.close()

    asyncio.run(check())


def publish(sqs: SqsUnderTest) -> None:
    """Publish a dead letter."""
    publisher = sqs.publisher("scrape-jobs-dead")
    publisher.publish(Message(b"late", {}))
    publisher.close()


@pytest.fixture
def unanswered(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Callable[[], bool]]]:
    """BROKER_URL of a server that answers no receive of the longest wait, and whether it got one."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    end = Event()

    def script(call: Call) -> tuple[int, dict[str, Any]] | None:
        if call.action == "GetQueueAttributes":
            return 200, {"Attributes": {"RedrivePolicy": json.dumps({"maxReceiveCount": 20})}}
        if call.document.get("WaitTimeSeconds") == IDLE:
            end.wait(MAX_WAIT_SECONDS)
        return None

    with running_scripted_sqs() as server:
        server.script = script
        yield server.url, lambda: any(each.document.get("WaitTimeSeconds") == IDLE for each in server.calls)
        end.set()


def test_a_relay_without_messages_stops_without_the_answer_to_its_receive(
    unanswered: tuple[str, Callable[[], bool]], tmp_path: Path
) -> None:
    """At SIGTERM the relay does not wait until SQS ends the long poll."""
    url, is_idle = unanswered
    command = [sys.executable, "-c", RELAY_WITHOUT_READ_TIMEOUT, "--endpoint", "http://127.0.0.1:1/"]
    log = tmp_path / "relay.log"
    with log.open("wb") as output:
        relay = subprocess.Popen(
            [*command, "--port", str(free_port())],
            cwd=ROOT, env={**os.environ, "BROKER_URL": url}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        wait_until(lambda: is_idle() or relay.poll() is not None, "the relay waits for messages")
        relay.terminate()
        assert relay.wait(MAX_WAIT_SECONDS / 2) == 0, log.read_text()
    finally:
        relay.kill()
        relay.wait()
    assert "Traceback" not in log.read_text()
