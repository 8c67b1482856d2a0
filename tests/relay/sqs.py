"""Drives SQS for the conformance tests: moto's server, behind a gate that can end its connections."""

from collections.abc import Mapping

from publishing.open_publisher import TopicPublisher
from publishing.publisher import Message
from publishing.sqs import wire
from publishing.sqs.publisher import SqsPublisher
from publishing.sqs.queues import Queues
from tests.relay.relay_process import run
from tests.relay.relayed_broker import RelayedBroker
from tests.servers.moto_sqs import MotoSqs
from tests.servers.waiting import MAX_WAIT_SECONDS

GUIDE = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide"
API = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference"
NO_KILL = (
    "the server of the test, moto, keeps its queues in memory; AWS stores each message in several "
    f"availability zones before it confirms it: {GUIDE}/standard-queues.html"
)


class SqsUnderTest(RelayedBroker):
    """Standard queues of SQS."""

    name = "SQS"
    cannot: Mapping[str, str] = {
        "order per key": "a standard queue keeps the order only as far as possible: "
        f"{GUIDE}/standard-queues.html",
        "broker -9": NO_KILL,
    }

    def __init__(self, server: MotoSqs) -> None:
        self.url = server.gate_url
        self._server = server
        self._direct = Queues(server.url)

    def create(self, *arguments: str) -> None:
        """See `RelayedBroker.create`."""
        self._server.reset()
        done = run(self.url, "--create", *arguments)
        assert done.returncode == 0, done.stderr

    def publisher(self, topic: str) -> TopicPublisher:
        """See `BrokerUnderTest.publisher`."""
        return SqsPublisher(self.url, topic, timeout_seconds=MAX_WAIT_SECONDS)

    def publish_foreign(self, data: bytes) -> None:
        """See `BrokerUnderTest.publish_foreign`."""
        queue = self._queue("scrape-jobs-push")
        fifo = {"MessageGroupId": "1", "MessageDeduplicationId": "1"} if queue.endswith(".fifo") else {}
        self._direct.call("send_message", queue, MessageBody=data.decode(), **fifo)

    def dead_letters(self) -> list[Message]:
        """See `BrokerUnderTest.dead_letters`."""
        queue, found = self._queue("scrape-jobs-dead-pull"), list[Message]()
        while received := self._direct.call("receive_message", queue, MaxNumberOfMessages=10).get("Messages"):
            for each in received:
                found.append(wire.read(each["Body"]).message)
                self._direct.call("delete_message", queue, ReceiptHandle=each["ReceiptHandle"])
        return found

    def is_empty(self) -> bool:
        """See `BrokerUnderTest.is_empty`."""
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._direct.call(
            "get_queue_attributes", self._queue("scrape-jobs-push"), AttributeNames=counts
        )
        return all(found["Attributes"][count] == "0" for count in counts)

    def interrupt(self) -> None:
        """See `RelayedBroker.interrupt`."""
        self._server.gate.close()

    def resume(self) -> None:
        """See `RelayedBroker.resume`."""
        self._server.gate.open()

    def kill(self) -> None:
        """See `BrokerUnderTest.kill`."""
        raise NotImplementedError(NO_KILL)

    start = kill

    def _queue(self, subscription: str) -> str:
        return self._direct.name(subscription)


class SqsFifoUnderTest(SqsUnderTest):
    """FIFO queues of SQS."""

    name = "SQS FIFO"
    cannot: Mapping[str, str] = {
        "broker -9": NO_KILL,
        "pause": "SQS counts every receive, and a copy of a message would lose its place in the order: "
        f"{API}/API_ReceiveMessage.html",
    }

    def __init__(self, server: MotoSqs) -> None:
        super().__init__(server)
        self.url = f"{server.gate_url}?fifo=true"
        self._direct = Queues(f"{server.url}?fifo=true")
