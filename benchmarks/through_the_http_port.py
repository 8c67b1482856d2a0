"""Compare the speed of gRPC through localpubsub's HTTP port and through its gRPC port.

Run `python -m benchmarks.through_the_http_port`. Both ports are measured alternately; the table shows the
rate of the HTTP port divided by that of the gRPC port.
"""

import asyncio
import multiprocessing
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any, Final

from grpc import aio

from localpubsub.event_loop import new_event_loop
from localpubsub.protocol import messages

TOPIC: Final = "projects/p/topics/ttt"
SUBSCRIPTION: Final = "projects/p/subscriptions/sss"
ROUNDS: Final = 5
#: Maps a load to its number of requests, messages per request, bytes per message and concurrent requests.
LOADS: Final = {
    "single messages of 100 B": (3000, 1, 100, 50),
    "batches of 100 x 1 KB": (200, 100, 1000, 10),
    "single messages of 100 KB": (300, 1, 100_000, 10),
}

Call = Callable[[Any], Awaitable[Any]]


def call(channel: aio.Channel, method: str, response: Any) -> Call:  # noqa: ANN401 - protobuf has no types
    """Return a function that calls a unary gRPC method, without the client's batching and retries."""
    made: Call = channel.unary_unary(
        f"/google.pubsub.v1.{method}", lambda request: request.SerializeToString(), response.FromString
    )
    return made


async def rates(port: int, requests: int, batch: int, size: int, concurrency: int) -> tuple[float, float]:
    """Return two rates in messages per second: of publishing, and of pulling and acknowledging."""
    options = [("grpc.max_receive_message_length", -1)]
    async with aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        message = messages.PubsubMessage(data=b"x" * size)
        request = messages.PublishRequest(topic=TOPIC, messages=[message] * batch)
        publish = call(channel, "Publisher/Publish", messages.PublishResponse)
        began = time.perf_counter()

        async def publisher() -> None:
            for _ in range(requests // concurrency):
                await publish(request)

        await asyncio.gather(*(publisher() for _ in range(concurrency)))
        published = requests * batch / (time.perf_counter() - began)
        return published, await _pull_rate(channel, requests // concurrency * concurrency * batch)


async def _pull_rate(channel: aio.Channel, count: int) -> float:
    pull = call(channel, "Subscriber/Pull", messages.PullResponse)
    acknowledge = call(channel, "Subscriber/Acknowledge", messages.Empty)
    began, remaining = time.perf_counter(), count
    while remaining > 0:
        received = (
            await pull(messages.PullRequest(subscription=SUBSCRIPTION, max_messages=1000))
        ).received_messages
        remaining -= len(received)
        ack_ids = [message.ack_id for message in received]
        await acknowledge(messages.AcknowledgeRequest(subscription=SUBSCRIPTION, ack_ids=ack_ids))
    return count / (time.perf_counter() - began)


async def create(port: int) -> None:
    """Create one topic with one subscription."""
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await call(channel, "Publisher/CreateTopic", messages.Topic)(messages.Topic(name=TOPIC))
        subscription = messages.Subscription(name=SUBSCRIPTION, topic=TOPIC, ack_deadline_seconds=600)
        await call(channel, "Subscriber/CreateSubscription", messages.Subscription)(subscription)


def run(work: Callable[..., Any], *arguments: int) -> Any:  # noqa: ANN401 - the return type of `work`
    """Run the coroutine function `work` in the same kind of event loop that localpubsub uses."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work(*arguments))


def main() -> None:
    """Measure both ports and print the table."""
    command = [sys.executable, "-m", "localpubsub", "--ephemeral", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        output = server.stdout.readline() + server.stdout.readline()
        ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)(?: |/ )", output)[:2]]
        fresh = multiprocessing.get_context("spawn")  # gRPC does not survive a fork
        try:
            with fresh.Pool(1) as pool:
                pool.apply(run, (create, ports[0]))
            print("| load | publish | pull and ack |\n|---|---|---|")
            for load, numbers in LOADS.items():
                found: dict[int, list[tuple[float, float]]] = {port: [] for port in ports}
                for _ in range(ROUNDS):
                    for port in ports:
                        with fresh.Pool(1) as pool:
                            found[port].append(pool.apply(run, (rates, port, *numbers)))
                direct, through = (
                    [median(column) for column in zip(*found[port], strict=True)] for port in ports
                )
                print(f"| {load} | {through[0] / direct[0]:.2f} | {through[1] / direct[1]:.2f} |", flush=True)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
