"""Replays by push: what is acknowledged, what is published, what is told."""

import base64
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from contract.faults import UnreadableEnvelope
from contract.outcome import ACKNOWLEDGING, Reason, status_of
from dispatcher.replay import Replayer
from publishing.publisher import Message, PublishUnconfirmed
from push_endpoint.authentication import accept_any_caller
from push_endpoint.errors import AuthenticationError
from tests.servers.recording_publisher import RecordingPublisher

DEATH = {
    "CloudPubSubDeadLetterSourceDeliveryCount": "5",
    "CloudPubSubDeadLetterSourceSubscription": "scrape-jobs-push",
    "CloudPubSubDeadLetterSourceSubscriptionProject": "p",
    "CloudPubSubDeadLetterSourceTopicPublishTime": "2026-11-22T06:00:03.120+00:00",
    # What a worker writes that buries a job itself (ACK_POLICY=settled).
    "reason": "http_404",
    "detail": "the site answered 404",
    "attempt": "1",
}
OURS = {"job_id": "0123456789abcdef0123456789abcdef", "run_id": "books-2026-11-22T06:00:00Z", "mine": "kept"}


def letter(data: bytes = b"job", **fields: object) -> bytes:
    """Return the push of a dead letter, written by hand."""
    message: dict[str, Any] = {"messageId": "42", "publishTime": "2026-11-22T06:00:03.2Z"}
    message |= {"attributes": OURS | DEATH, "data": base64.b64encode(data).decode()} | fields
    document = {"message": message, "subscription": "projects/p/subscriptions/scrape-jobs-dead-pull"}
    return json.dumps(document).encode()


def reading(body: bytes) -> Callable[[], bytes]:
    """Return what reads a body."""
    return BytesIO(body).read


@pytest.mark.parametrize("data", [b"", b"job", b"\xff\xfe\x00", "日本".encode()])
def test_a_letter_becomes_the_job_it_was(publisher: RecordingPublisher, data: bytes) -> None:
    """Bytes, our attributes and the ordering key are kept; what was written about the death is left out."""
    ended = Replayer(accept_any_caller, publisher).replay(
        "", reading(letter(data, orderingKey="shop.example"))
    )
    assert publisher.published == [Message(data, OURS, "shop.example")]
    assert (ended.reason, ended.dead_letter_id, ended.message_id) == (Reason.OK, "42", "1")
    assert ended.attributes.job_id == OURS["job_id"]


def test_a_letter_without_attributes_or_data_is_no_bug(publisher: RecordingPublisher) -> None:
    """Pub/Sub leaves out what is empty."""
    body = json.dumps({"message": {"messageId": "42", "orderingKey": "k"}}).encode()
    assert Replayer(accept_any_caller, publisher).replay("", reading(body)).reason is Reason.OK
    assert publisher.published == [Message(b"", {}, "k")]


def test_an_unconfirmed_job_leaves_the_letter_where_it_is(publisher: RecordingPublisher) -> None:
    """503: the letter comes again."""
    publisher.error = PublishUnconfirmed("scrape-jobs", "no answer")
    ended = Replayer(accept_any_caller, publisher).replay("", reading(letter()))
    assert (ended.reason, status_of(ended.reason)) == (Reason.PUBLISH_UNCONFIRMED, 503)
    assert ended.detail == "topic scrape-jobs did not confirm: no answer"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"message": {}}', letter(data=b"x" * 600_000), letter(attributes=[])]
)
def test_what_is_no_push_is_400(publisher: RecordingPublisher, body: bytes) -> None:
    """Nothing is published, nothing acknowledged."""
    ended = Replayer(accept_any_caller, publisher).replay("", reading(body))
    assert (ended.reason, status_of(ended.reason)) == (Reason.BAD_ENVELOPE, 400)
    assert ended.detail
    assert publisher.published == []


def test_a_body_that_cannot_be_read_is_400(publisher: RecordingPublisher) -> None:
    """Too large, of unknown size, cut short."""

    def read() -> bytes:
        raise UnreadableEnvelope.single_fault(b"", "cut short")

    ended = Replayer(accept_any_caller, publisher).replay("", read)
    assert (ended.reason, ended.detail) == (Reason.BAD_ENVELOPE, "cut short")


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.NO_TOKEN, 401),
        (Reason.BAD_TOKEN, 401),
        (Reason.WRONG_CALLER, 403),
        (Reason.NO_CERTIFICATES, 503),
    ],
)
def test_whoever_is_not_heard_is_not_read(publisher: RecordingPublisher, reason: Reason, status: int) -> None:
    """The token is checked before a byte of the body is read, and nothing is published."""

    def refuse(authorization: str) -> None:
        raise AuthenticationError(reason, authorization)

    body = BytesIO(letter())
    ended = Replayer(refuse, publisher).replay("Bearer x", body.read)
    assert (ended.reason, status_of(ended.reason), ended.detail) == (reason, status, "Bearer x")
    assert (body.tell(), publisher.published) == (0, [])


def test_what_nobody_foresaw_is_never_acknowledged(publisher: RecordingPublisher) -> None:
    """500, with the exception for the log."""
    publisher.error = RuntimeError("boom")
    ended = Replayer(accept_any_caller, publisher).replay("", reading(letter()))
    assert (ended.reason, status_of(ended.reason)) == (Reason.INTERNAL_ERROR, 500)
    assert ended.error is publisher.error
    assert status_of(Reason.OK) in ACKNOWLEDGING
