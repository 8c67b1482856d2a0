"""A replay by push publishes the job again, and acknowledges the dead letter only after that."""

import base64
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from contract.faults import UnreadableEnvelope
from contract.outcome import ACKNOWLEDGING, Reason
from contract.reason_meanings import status_of
from dispatcher.replay import Replayer
from publishing.publisher import Message, PublishUnconfirmed
from push_endpoint.authentication import accept_any_caller
from push_endpoint.errors import AuthenticationError
from tests.servers.recording_publisher import RecordingPublisher

DEAD_LETTER_ATTRIBUTES = {
    "CloudPubSubDeadLetterSourceDeliveryCount": "5",
    "CloudPubSubDeadLetterSourceSubscription": "scrape-jobs-push",
    "CloudPubSubDeadLetterSourceSubscriptionProject": "p",
    "CloudPubSubDeadLetterSourceTopicPublishTime": "2026-11-22T06:00:03.120+00:00",
    # Written by a worker that dead-letters a job itself (ACK_POLICY=settled).
    "reason": "http_404",
    "detail": "the site answered 404",
    "attempt": "1",
}
JOB_ATTRIBUTES = {
    "job_id": "0123456789abcdef0123456789abcdef",
    "run_id": "books-2026-11-22T06:00:00Z",
    "mine": "kept",
}


def dead_letter_push(data: bytes = b"job", **fields: object) -> bytes:
    """Return the push of a dead letter."""
    message: dict[str, Any] = {"messageId": "42", "publishTime": "2026-11-22T06:00:03.2Z"}
    message |= {
        "attributes": JOB_ATTRIBUTES | DEAD_LETTER_ATTRIBUTES,
        "data": base64.b64encode(data).decode(),
    } | fields
    document = {"message": message, "subscription": "projects/p/subscriptions/scrape-jobs-dead-pull"}
    return json.dumps(document).encode()


def body_reader(body: bytes) -> Callable[[], bytes]:
    """Return a function that returns this body."""
    return BytesIO(body).read


@pytest.mark.parametrize("data", [b"", b"job", b"\xff\xfe\x00", "日本".encode()])
def test_a_dead_letter_becomes_its_job_again(publisher: RecordingPublisher, data: bytes) -> None:
    """A replayed job has the dead letter's data, ordering key and attributes, except those of the failure."""
    replay = Replayer(accept_any_caller, publisher).replay(
        "", body_reader(dead_letter_push(data, orderingKey="shop.example"))
    )
    assert publisher.published == [Message(data, JOB_ATTRIBUTES, "shop.example")]
    assert (replay.reason, replay.dead_letter_id, replay.message_id) == (Reason.OK, "42", "1")
    assert replay.attributes.job_id == JOB_ATTRIBUTES["job_id"]


def test_a_dead_letter_without_attributes_or_data_is_replayed(publisher: RecordingPublisher) -> None:
    """A dead letter without the fields for attributes and data, which Pub/Sub omits if empty, is replayed."""
    body = json.dumps({"message": {"messageId": "42", "orderingKey": "k"}}).encode()
    assert Replayer(accept_any_caller, publisher).replay("", body_reader(body)).reason is Reason.OK
    assert publisher.published == [Message(b"", {}, "k")]


def test_an_unconfirmed_replay_responds_with_503(publisher: RecordingPublisher) -> None:
    """If the job is not confirmed, the dead letter is not acknowledged, so it is delivered again."""
    publisher.error = PublishUnconfirmed("scrape-jobs", "no response")
    replay = Replayer(accept_any_caller, publisher).replay("", body_reader(dead_letter_push()))
    assert (replay.reason, status_of(replay.reason)) == (Reason.PUBLISH_UNCONFIRMED, 503)
    assert replay.detail == "topic scrape-jobs did not confirm: no response"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"message": {}}',
        dead_letter_push(data=b"x" * 600_000),
        dead_letter_push(attributes=[]),
    ],
)
def test_an_unreadable_push_is_rejected_with_400(publisher: RecordingPublisher, body: bytes) -> None:
    """A body that is not a push is rejected with `bad_envelope`, and no job is published."""
    replay = Replayer(accept_any_caller, publisher).replay("", body_reader(body))
    assert (replay.reason, status_of(replay.reason)) == (Reason.BAD_ENVELOPE, 400)
    assert replay.detail
    assert publisher.published == []


def test_a_body_that_cannot_be_read_is_rejected_with_400(publisher: RecordingPublisher) -> None:
    """If the body cannot be read as a whole, the replay is rejected with `bad_envelope`."""

    def read() -> bytes:
        raise UnreadableEnvelope.single_fault(b"", "the body is incomplete")

    replay = Replayer(accept_any_caller, publisher).replay("", read)
    assert (replay.reason, replay.detail) == (Reason.BAD_ENVELOPE, "the body is incomplete")


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.NO_TOKEN, 401),
        (Reason.BAD_TOKEN, 401),
        (Reason.WRONG_CALLER, 403),
        (Reason.NO_CERTIFICATES, 503),
    ],
)
def test_body_of_an_unauthenticated_replay_is_not_read(
    publisher: RecordingPublisher, reason: Reason, status: int
) -> None:
    """If the token is rejected, no byte of the body is read, and no job is published."""

    def reject(authorization: str) -> None:
        raise AuthenticationError(reason, authorization)

    body = BytesIO(dead_letter_push())
    replay = Replayer(reject, publisher).replay("Bearer x", body.read)
    assert (replay.reason, status_of(replay.reason), replay.detail) == (reason, status, "Bearer x")
    assert (body.tell(), publisher.published) == (0, [])


def test_an_unexpected_exception_responds_with_500_and_never_acknowledges(
    publisher: RecordingPublisher,
) -> None:
    """An unexpected exception while publishing is reported with status 500, and kept for the log."""
    publisher.error = RuntimeError("boom")
    replay = Replayer(accept_any_caller, publisher).replay("", body_reader(dead_letter_push()))
    assert (replay.reason, status_of(replay.reason)) == (Reason.INTERNAL_ERROR, 500)
    assert replay.error is publisher.error
    assert status_of(replay.reason) not in ACKNOWLEDGING
