"""Waits until a publisher explains why a broker confirms no message."""

import re

import pytest

from publishing.open_publisher import TopicPublisher
from publishing.publisher import Message, PublishUnconfirmed
from tests.servers.waiting import MAX_WAIT_SECONDS

FIRST_SECONDS = 1.0  #: time limit of the first publish


def unconfirmed(publisher: TopicPublisher, message: Message, sentence: str) -> str:
    """Publish a message that is never confirmed, until the error has a sentence; return the error's text.

    Each publish has twice the time of the one before: on a busy machine the time may be over before the
    broker has refused, and then the error cannot say more than that no response came.

    Args:
        publisher: publishes it.
        message: the message.
        sentence: regular expression.
    """
    seconds, text = FIRST_SECONDS, ""
    while seconds < 2 * MAX_WAIT_SECONDS and not re.search(sentence, text):
        with pytest.raises(PublishUnconfirmed) as error:
            publisher.publish(message, seconds)
        seconds, text = 2 * seconds, str(error.value)
    assert re.search(sentence, text), text
    return text
