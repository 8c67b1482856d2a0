"""What only a relay of SQS does: its leases, the settings of its queues, and what it says of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from console.stack.ports import free_port
from publishing.publisher import Message
from publishing.sqs.publisher import SqsPublisher
from publishing.sqs.queues import Queues
from relay.sqs.leases import LEASE_SECONDS
from relay.sqs.topology import SPARE_RECEIVES
from tests.relay.relay_process import run, running_relay
from tests.relay.sqs import SqsUnderTest
from tests.relay.worker_endpoint import Push, WorkerEndpoint
from tests.servers.moto_sqs import CREDENTIALS, MotoSqs
from tests.servers.scripted_sqs import Call, ScriptedSqs, error, running_scripted_sqs
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_until

ENDPOINT = ("--endpoint", "http://127.0.0.1:1/")
PUSH, DEAD = "scrape-jobs-push", "scrape-jobs-dead-pull"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that boto3 finds."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def scripted() -> Iterator[ScriptedSqs]:
    """A server that answers as the test says."""
    with running_scripted_sqs() as sqs:
        yield sqs


@pytest.fixture
def sqs(moto_sqs_server: MotoSqs) -> SqsUnderTest:
    """Empty queues that were created with two attempts."""
    broker = SqsUnderTest(moto_sqs_server)
    broker.create("--max-attempts", "2")
    return broker


@pytest.fixture
def queues(moto_sqs_server: MotoSqs) -> Iterator[Queues]:
    """The queues, for the statements of a test."""
    found = Queues(moto_sqs_server.url)
    yield found
    found.close()


def attributes(queues: Queues, queue: str) -> dict[str, str]:
    """Return the settings of a queue."""
    found: dict[str, str] = queues.call("get_queue_attributes", queue, AttributeNames=["All"])["Attributes"]
    return found


def assert_refused(url: str, sentence: str, *arguments: str) -> None:
    """Assert that a relay ends at its start with this sentence."""
    done = run(url, *(arguments or ENDPOINT))
    assert done.returncode == 2
    assert done.stderr.startswith("relay: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_server_is_explained() -> None:
    """Without a server the relay ends with its address."""
    port = free_port()
    assert_refused(f"sqs+http://127.0.0.1:{port}/", f"SQS at http://127.0.0.1:{port} cannot be reached")


def test_a_missing_queue_is_explained(moto_sqs_server: MotoSqs) -> None:
    """If a queue is missing, the sentence names it, and the command that creates it."""
    moto_sqs_server.reset()
    assert_refused(moto_sqs_server.url, f"no queue '{PUSH}'; create it with: python -m relay --create")


def test_missing_credentials_are_explained(scripted: ScriptedSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the sentence says where boto3 looks for them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert_refused(scripted.url, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")


@pytest.mark.parametrize(
    ("action", "permission"),
    [
        ("GetQueueUrl", "sqs:GetQueueUrl"),
        ("ReceiveMessage", "sqs:ReceiveMessage"),
        ("DeleteMessageBatch", "sqs:DeleteMessage"),
        ("ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"),
    ],
)
def test_a_missing_permission_is_explained_before_a_message_is_received(
    scripted: ScriptedSqs, action: str, permission: str
) -> None:
    """A relay that could not settle messages receives none, and names the permission."""
    policy = {"Attributes": {"RedrivePolicy": json.dumps({"maxReceiveCount": 20})}}

    def script(call: Call) -> tuple[int, dict[str, Any]] | None:
        if call.action == action:
            return error("AccessDeniedException", "not authorized", 403)
        return (200, policy) if call.action == "GetQueueAttributes" else None

    scripted.script = script
    assert_refused(scripted.url, f"the credentials have no permission {permission} for queue")
    received = [call for call in scripted.calls if call.action == "ReceiveMessage"]
    assert len(received) == (1 if action == "ReceiveMessage" else 0)


def test_refused_credentials_are_explained(scripted: ScriptedSqs) -> None:
    """If AWS does not know the access key, the sentence says so."""
    scripted.script = lambda _: error("InvalidClientTokenId", "The security token is invalid.", 403)
    assert_refused(scripted.url, "refuses the credentials: InvalidClientTokenId")


def test_create_without_permission_is_explained(scripted: ScriptedSqs) -> None:
    """If a queue may not be created, `--create` names the permission."""
    scripted.script = lambda call: (
        error("AccessDeniedException", "not authorized", 403)
        if call.action == "CreateQueue"
        else error("QueueDoesNotExist", "no such queue")
    )
    assert_refused(scripted.url, "the credentials have no permission sqs:CreateQueue", "--create")


def test_single_active_needs_fifo_queues(sqs: SqsUnderTest) -> None:
    """A standard queue cannot keep the order, so the option that promises it is refused."""
    assert_refused(sqs.url, "--single-active needs FIFO queues", *ENDPOINT, "--single-active")


@pytest.mark.parametrize("command", [ENDPOINT, ("--create",)], ids=["relay", "create"])
def test_partitions_are_refused(sqs: SqsUnderTest, command: tuple[str, ...]) -> None:
    """The sentence says that FIFO queues keep the order for any number of relays."""
    assert_refused(sqs.url, "--partitions: SQS needs none: with FIFO queues", *command, "--partitions", "2")


def test_a_queue_from_which_sqs_takes_messages_too_early_is_refused(sqs: SqsUnderTest) -> None:
    """SQS would move the messages before their last attempt, and without a reason."""
    attempts = ("--max-attempts", str(2 + SPARE_RECEIVES))
    assert_refused(sqs.url, f"moves messages of queue '{PUSH}'", *ENDPOINT, *attempts)
    assert_refused(sqs.url, f"after {2 + SPARE_RECEIVES} receives, without a reason", *ENDPOINT, *attempts)


def test_create_gives_existing_queues_the_settings_and_keeps_messages(
    sqs: SqsUnderTest, queues: Queues
) -> None:
    """A second `--create` changes the number of attempts, and loses nothing."""
    publisher = sqs.publisher("scrape-jobs")
    publisher.publish(Message(b"kept", {}))
    publisher.close()
    done = run(sqs.url, "--create", "--max-attempts", "5")
    assert done.returncode == 0, done.stderr
    settings = attributes(queues, PUSH)
    assert json.loads(settings["RedrivePolicy"])["maxReceiveCount"] == 5 + SPARE_RECEIVES
    assert settings["MessageRetentionPeriod"] == "1209600"
    assert settings["VisibilityTimeout"] == str(LEASE_SECONDS)
    assert settings["ApproximateNumberOfMessages"] == "1"


def test_queues_with_a_prefix_are_others(moto_sqs_server: MotoSqs, sqs: SqsUnderTest) -> None:
    """A prefix lets several stacks share a region."""
    done = run(f"{moto_sqs_server.url}test?fifo=true", "--create")
    names = done.stdout.split(": ")[-1].split()
    assert f"test-{PUSH}.fifo" in names
    assert f"test-{DEAD}.fifo" in names
    assert "test-scrape-jobs-ledger" in names
    publisher = SqsPublisher(f"{moto_sqs_server.url}test?fifo=true", "scrape-jobs", timeout_seconds=60)
    publisher.publish(Message(b"", {}))
    publisher.close()
    assert sqs.is_empty()


def test_sqs_moves_a_message_that_no_relay_settles(sqs: SqsUnderTest, queues: Queues) -> None:
    """After its attempts and the spare receives, a message is in the dead-letter queue."""
    publisher = sqs.publisher("scrape-jobs")
    publisher.publish(Message(b"poison", {}))
    publisher.close()
    received = 0
    while queues.call("receive_message", PUSH, VisibilityTimeout=0).get("Messages"):
        received += 1
    assert received == 2 + SPARE_RECEIVES
    assert [each.data for each in sqs.dead_letters()] == [b"poison"]


def test_a_message_that_killed_its_relays_is_dead_lettered_without_a_push(
    sqs: SqsUnderTest, queues: Queues, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """If all deliveries ended without an answer, the relay moves the message with a sentence that says so."""
    publisher = sqs.publisher("scrape-jobs")
    publisher.publish(Message(b"poison", {}))
    publisher.close()
    for _ in range(2):
        queues.call("receive_message", PUSH, VisibilityTimeout=0)
    with running_relay(sqs.url, endpoint.url, tmp_path / "relay.log", "--max-attempts", "2"):
        wait_until(sqs.is_empty)
    [dead] = sqs.dead_letters()
    assert "all 2 deliveries ended without an answer" in dead.attributes["detail"]
    assert endpoint.pushes == []


@pytest.mark.long
def test_a_push_that_outlasts_the_lease_is_not_repeated(
    sqs: SqsUnderTest, endpoint: WorkerEndpoint, tmp_path: Path
) -> None:
    """The relay extends the lease of a message while its push is open."""
    late = Event()

    def answer(push: Push) -> int:
        late.wait(1.5 * LEASE_SECONDS if push.data == "slow" else 0)
        return 204

    endpoint.answer = answer
    publisher = sqs.publisher("scrape-jobs")
    publisher.publish(Message(b"slow", {}))
    publisher.close()
    with running_relay(sqs.url, endpoint.url, tmp_path / "relay.log", "--max-attempts", "2"):
        wait_until(sqs.is_empty)
    assert endpoint.attempts("slow") == [1]
    assert MAX_WAIT_SECONDS > 1.5 * LEASE_SECONDS
