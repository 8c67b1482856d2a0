"""Tests how the single messages of several threads are sent together, whatever the broker."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from publishing import message_groups
from publishing.chunked_publisher import ChunkedPublisher
from publishing.message_groups import MAX_GROUP_BYTES, SenderStopped
from publishing.publisher import Message, PublishUnconfirmed
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

HOUR = 3600.0


class RecordingPublisher(ChunkedPublisher[bytes]):
    """Confirms each message with its data as its id, and records what was sent together.

    Attributes:
        sent: the data of the messages of each group.
        goes_on: is set if a message with the data `waits` is to be confirmed.
    """

    def __init__(self, batch_seconds: float) -> None:
        super().__init__("topic", MAX_WAIT_SECONDS, batch_seconds)
        self.sent: list[list[bytes]] = []
        self.goes_on = Event()

    def _outgoing(self, message: Message) -> bytes:
        return message.data

    def _send(self, messages: list[bytes], deadline: float) -> list[Exception | str]:
        self.sent.append(messages)
        if b"waits" in messages:
            self.goes_on.wait(max(0.0, deadline - time.monotonic()))
        if b"breaks" in messages:
            raise ConnectionError("the connection broke")
        return [ValueError("bad") if each == b"bad" else each.decode()[:100] for each in messages]

    def _is_transient(self, error: Exception) -> bool:
        return self._retries and isinstance(error, ConnectionError)


def publish_together(publisher: RecordingPublisher, *bodies: bytes) -> list[str | BaseException]:
    """Publish messages in as many threads, after one that was sent before them; return ids and errors."""
    publisher.publish(Message(b"before", {}))
    with ThreadPoolExecutor(len(bodies)) as pool:
        published = [pool.submit(publisher.publish, Message(body, {})) for body in bodies]
    return [each.exception() or each.result() for each in published]


def test_messages_that_are_published_together_are_sent_together() -> None:
    """The messages of many threads are sent in few groups, and each thread gets the id of its message."""
    publisher = RecordingPublisher(batch_seconds=0.5)
    bodies = [str(number).encode() for number in range(50)]
    assert publish_together(publisher, *bodies) == [body.decode() for body in bodies]
    assert len(publisher.sent) < len(bodies) / 4


def test_a_message_that_fails_leaves_the_others_of_its_group() -> None:
    """A message that the broker refuses is unconfirmed, and those that were sent together with it are not."""
    first, bad, last = publish_together(RecordingPublisher(batch_seconds=0.5), b"1", b"bad", b"3")
    assert (first, last) == ("1", "3")
    assert isinstance(bad, PublishUnconfirmed)


def test_an_error_of_a_group_is_that_of_each_of_its_messages() -> None:
    """If sending raises, each thread whose message was in the group hears of it, and can send it again."""
    publisher = RecordingPublisher(batch_seconds=0.5).for_topic("topic", retries=False)
    results = publish_together(publisher, *[b"breaks"] * 20)
    assert all("the connection broke" in str(each) for each in results)
    assert len(publisher.sent) < 10


def test_a_group_that_waits_delays_no_others() -> None:
    """A message is confirmed although an earlier group has no confirmation."""
    publisher = RecordingPublisher(batch_seconds=0.01)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(publisher.publish, Message(b"waits", {}))
        wait_until(lambda: publisher.sent == [[b"waits"]])
        assert publisher.publish(Message(b"later", {})) == "later"
        assert not waiting.done()
        publisher.goes_on.set()
        assert waiting.result(MAX_WAIT_SECONDS) == "waits"


def test_a_large_message_is_sent_alone() -> None:
    """A group of several messages has at most 4 MB, so that many large messages are not held together."""
    publisher = RecordingPublisher(batch_seconds=0.3)
    publish_together(publisher, *[b"x" * (MAX_GROUP_BYTES // 2)] * 6)
    assert max(sum(map(len, group)) for group in publisher.sent) <= MAX_GROUP_BYTES


def test_topics_do_not_share_groups() -> None:
    """The publisher of another topic has groups of its own."""
    publisher = RecordingPublisher(batch_seconds=HOUR)
    publisher.publish(Message(b"before", {}))
    assert publisher.for_topic("other").publish(Message(b"other", {})) == "other"


@pytest.mark.parametrize("retries", [True, False])
def test_what_a_stopped_thread_was_sending_is_sent_by_another(
    retries: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the thread that sends a group is stopped, another thread sends its own message again, or fails."""
    publisher = RecordingPublisher(batch_seconds=HOUR).for_topic("topic", retries=retries)
    publisher.publish(Message(b"before", {}))
    groups: Any = publisher._groups  # noqa: SLF001 - no other sign of what is collected
    with ThreadPoolExecutor() as pool:

        def stop_once_another_has_joined(_seconds: float) -> None:
            monkeypatch.undo()
            group = groups._collecting  # noqa: SLF001 - as above
            groups._last_group_at = -HOUR  # noqa: SLF001 - the next sender need not wait, also after a boot
            others.append(pool.submit(publisher.publish, Message(b"2", {})))
            wait_until(lambda: len(group.messages) == 2)
            raise SystemExit

        others = list[Any]()
        # Other threads of this process sleep as before.
        clock = SimpleNamespace(monotonic=time.monotonic, sleep=stop_once_another_has_joined)
        monkeypatch.setattr(message_groups, "time", clock)
        with pytest.raises(SystemExit):
            publisher.publish(Message(b"1", {}))
        found = others[0].exception(MAX_WAIT_SECONDS)
    if retries:
        assert others[0].result() == "2"
    else:
        assert isinstance(found.__cause__, SenderStopped)
    assert [b"1"] not in publisher.sent
