"""Compare the simulation's models of Pub/Sub and Cloud Run with localpubsub behind its Cloud Run gate.

``python -m benchmarks.simulation_calibration`` publishes 300 messages in real time, and runs the same case in
the simulation. An endpoint takes one second for a message; every tenth message fails twice; a fifth has one
of two ordering keys. Two instances with ten slots each start when pushes wait.
"""

import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
from aiohttp import web
from google.pubsub_v1 import PublisherClient, PubsubMessage, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from benchmarks.pubsub_process import started
from console.stack.ports import free_port
from localpubsub.backlog.backlog import DeliveryPolicy
from localpubsub.backlog.dead_letter import DeadLetterPolicy
from localpubsub.backlog.retry_policy import RetryPolicy
from publishing.publisher import Message
from simulation.cloud_run import CloudRun, ServiceConfig
from simulation.push import Push
from simulation.scheduler import START, Scheduler
from simulation.subscription import JobsSubscription

MESSAGES = 300
PAGE_SECONDS = 1.0
FAILURES = 2  #: failed attempts of every tenth message
ACK_DEADLINE = 60
BACKOFF = (1, 10)  #: minimum and maximum, seconds
MAX_ATTEMPTS = 20
SERVICE = ServiceConfig(
    max_instances=2, concurrency=10, request_timeout=50.0, queue_seconds=4.0, start_seconds=1.0
)
AUDIENCE = "calibration"


@dataclass
class Seen:
    """What the endpoint has seen.

    Attributes:
        requests: number of requests of each message.
        attempts: the last delivery attempt of each message.
        finished_at: when the last message was acknowledged, seconds.
    """

    requests: Counter[str]
    attempts: dict[str, int]
    finished_at: float = 0.0

    def status(self, name: str, attempt: int) -> int:
        """Take a request, and return the status of its response."""
        self.requests[name] += 1
        self.attempts[name] = attempt
        return 503 if int(name) % 10 == 5 and self.requests[name] <= FAILURES else 204

    def row(self, name: str, seconds: float) -> str:
        """Return a row of the table."""
        deliveries, requests = sum(self.attempts.values()), sum(self.requests.values())
        return f"| {name} | {seconds:.1f} s | {deliveries} | {deliveries - requests} |"


def messages() -> list[Message]:
    """Return the messages; the data of each is its number."""
    keys = ["a", "b", *[""] * 8]
    return [Message(str(number).encode(), {}, keys[number % 10]) for number in range(MESSAGES)]


def simulated() -> tuple[float, Seen]:
    """Run the case in the simulation; return its virtual seconds, and what the endpoint saw."""
    scheduler, seen = Scheduler(1), Seen(Counter(), {})
    policy = DeliveryPolicy(
        ACK_DEADLINE, 3600.0, RetryPolicy(*BACKOFF), DeadLetterPolicy("projects/p/topics/dead", MAX_ATTEMPTS)
    )

    class Endpoint:
        """The program in an instance."""

        def deliver(self, push: Push) -> int:
            """Respond after a second."""
            scheduler.sleep(PAGE_SECONDS)
            return seen.status(push.message.data.decode(), push.attempt)

        def terminate(self) -> None:
            """Do nothing: no instance is told to stop."""

    def send(push: Push) -> None:
        cloud_run.handle(push)

    def ignore(*arguments: object) -> None:
        del arguments

    subscription = JobsSubscription(scheduler, policy, send, ignore, ignore)
    cloud_run = CloudRun(scheduler, SERVICE, lambda _: Endpoint(), subscription.respond)
    for message in messages():
        subscription.publish(message)
    scheduler.run(START + 3600, lambda: not len(subscription))
    return scheduler.now - START, seen


async def _serve(seen: Seen, port: int) -> None:
    async def respond(request: web.Request) -> web.Response:
        push = await request.json()
        await asyncio.sleep(PAGE_SECONDS)
        name = push["message"]["attributes"]["name"]
        status = seen.status(name, push["deliveryAttempt"])
        seen.finished_at = time.monotonic()
        return web.Response(status=status)

    application = web.Application()
    application.router.add_post("/", respond)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


@contextmanager
def _gate(to: int, certificates: int) -> Iterator[int]:
    port = free_port()
    options = {
        "--to": f"http://127.0.0.1:{to}",
        "--audience": AUDIENCE,
        "--certs-url": f"http://127.0.0.1:{certificates}/oauth2/v1/certs",
        "--port": port,
        "--concurrency": SERVICE.concurrency,
        "--max-instances": SERVICE.max_instances,
        "--start-up-seconds": SERVICE.start_seconds,
        "--queue-seconds": SERVICE.queue_seconds,
    }
    arguments = [str(text) for option in options.items() for text in option]
    command = [sys.executable, "-m", "localpubsub.cloud_run_gate", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # The gate prints its address when it listens.
            yield port
        finally:
            process.kill()


def measured() -> tuple[float, Seen]:
    """Run the case with localpubsub and its gate in real time; return the same as `simulated`."""
    seen, endpoint = Seen(Counter(), {}), free_port()
    threading.Thread(target=partial(asyncio.run, _serve(seen, endpoint)), daemon=True).start()
    http_port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        started("localpubsub", Path(folder), "--http-port", str(http_port)) as server,
        _gate(endpoint, http_port) as gate,
        grpc.insecure_channel(server.host) as channel,
    ):
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        topics = [f"projects/p/topics/{name}" for name in ("jobs", "dead")]
        for topic in topics:
            publisher.create_topic(name=topic)
        account = "pusher@p.iam.gserviceaccount.com"
        subscriber.create_subscription(
            {
                "name": "projects/p/subscriptions/jobs",
                "topic": topics[0],
                "enable_message_ordering": True,
                "ack_deadline_seconds": ACK_DEADLINE,
                "retry_policy": {
                    "minimum_backoff": {"seconds": BACKOFF[0]},
                    "maximum_backoff": {"seconds": BACKOFF[1]},
                },
                "dead_letter_policy": {
                    "dead_letter_topic": topics[1],
                    "max_delivery_attempts": MAX_ATTEMPTS,
                },
                "push_config": {
                    "push_endpoint": f"http://127.0.0.1:{gate}/",
                    "oidc_token": {"service_account_email": account, "audience": AUDIENCE},
                },
            }
        )
        began = time.monotonic()
        for message in messages():
            name = message.data.decode()
            content = PubsubMessage(data=b"{}", attributes={"name": name}, ordering_key=message.ordering_key)
            publisher.publish(topic=topics[0], messages=[content])
        while len(seen.requests) < MESSAGES or _unfinished(seen):
            time.sleep(0.1)
        return seen.finished_at - began, seen


def _unfinished(seen: Seen) -> bool:
    return any(seen.requests[str(number)] <= FAILURES for number in range(5, MESSAGES, 10))


def main() -> None:
    """Print a table with both."""
    print("| | last message after | deliveries | 429 without a free slot |\n|---|---|---|---|")
    seconds, seen = simulated()
    print(seen.row("simulation", seconds))
    for number in (1, 2):
        seconds, seen = measured()
        print(seen.row(f"localpubsub and its gate, run {number}", seconds), flush=True)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
