"""Shows, counts and replays dead letters one by one; `replay-dead-letters.sh` runs this module.

A dead letter is acknowledged only after Pub/Sub has confirmed that its job was published. After an
interruption a job may be published twice; the ledger counts it only once. `scrapeq replay`
(console/replay.py) does the same, but this module needs only Python. The shell script passes gcloud's
configuration in the environment variables PUBSUB_PROJECT, PUBSUB_ENDPOINT, MONITORING_ENDPOINT and
PUBSUB_TOKEN.
"""

import argparse
import base64
import json
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from scripts.pubsub_rest import ApiError, Pubsub, ReceivedMessage

PUBSUB_PREFIX = "CloudPubSubDeadLetter"  #: prefix of the attributes that Pub/Sub adds to a dead letter
#: Attributes that a worker with ACK_POLICY=settled adds to a dead letter (contract/dead_letter.py).
WORKER_ATTRIBUTES = frozenset({"reason", "detail", "attempt"})
DELIVERY_COUNT = "CloudPubSubDeadLetterSourceDeliveryCount"
MESSAGES_PER_PULL = 500
#: Consecutive empty pulls after which the subscription counts as empty. One empty response is not enough,
#: because Pub/Sub may return one although messages remain:
#: https://cloud.google.com/pubsub/docs/pull#dont_return_immediately
MAX_EMPTY_PULLS = 2
MAX_PUBLISH_BYTES = 4_000_000  #: maximum base64 bytes in one publish request; Pub/Sub allows 10,000,000
MESSAGE_REFUSED = frozenset({400, 413})  #: HTTP statuses with which Pub/Sub refuses a message's content
#: Exit statuses: success; failure; dead letters remain; it is unknown whether dead letters remain.
EXIT_OK, EXIT_ERROR, EXIT_REMAINING, EXIT_UNKNOWN = 0, 1, 3, 4


def original_message(received: ReceivedMessage) -> dict[str, Any]:
    """Return the message as it was before it became a dead letter: without the added attributes."""
    message = received["message"]
    attributes = message.get("attributes", {})
    original = {
        name: value
        for name, value in attributes.items()
        if name not in WORKER_ATTRIBUTES and not name.startswith(PUBSUB_PREFIX)
    }
    fields = {
        "data": message.get("data", ""),
        "attributes": original,
        "orderingKey": message.get("orderingKey", ""),
    }
    return {name: value for name, value in fields.items() if value}


def describe(received: ReceivedMessage) -> str:
    """Return one line about a dead letter, with control characters escaped."""
    message = received["message"]
    attributes = dict(message.get("attributes", {}))
    attempts = attributes.get(DELIVERY_COUNT, "?")
    shown = {"attempts": attempts, "reason": attributes.pop("reason", "not in the message: see the ledger")}
    shown |= {name: value for name, value in sorted(attributes.items()) if not name.startswith(PUBSUB_PREFIX)}
    pairs = " ".join(f"{json.dumps(name)[1:-1]}={json.dumps(value)}" for name, value in shown.items())
    size = len(base64.b64decode(message.get("data", "")))
    return f"{message['messageId']} {message.get('publishTime', '')} {pairs} data={size} B"


class Puller:
    """Pulls dead letters, and releases those that were not acknowledged.

    Args:
        pubsub: client of the project.
        subscription: name of the dead-letter subscription.
        lease_seconds: ack deadline of the pulled dead letters.
    """

    def __init__(self, pubsub: Pubsub, subscription: str, lease_seconds: int) -> None:
        self._pubsub = pubsub
        self._subscription = subscription
        self._lease_seconds = lease_seconds
        self._leased: dict[str, ReceivedMessage] = {}

    def pull(self, count: int) -> Iterator[list[ReceivedMessage]]:
        """Yield lists of dead letters, at most `count` in all, until the subscription is empty."""
        empty_pulls, remaining = 0, count
        while remaining > 0 and empty_pulls < MAX_EMPTY_PULLS:
            messages = self._pubsub.pull(self._subscription, min(remaining, MESSAGES_PER_PULL))
            self._leased |= {message["ackId"]: message for message in messages}
            if messages:
                self._pubsub.modify_ack_deadline(self._subscription, messages, self._lease_seconds)
                remaining -= len(messages)
                yield messages
            empty_pulls = 0 if messages else empty_pulls + 1

    def acknowledge(self, messages: list[ReceivedMessage]) -> None:
        """Remove dead letters from the subscription."""
        self._pubsub.acknowledge(self._subscription, messages)
        for message in messages:
            del self._leased[message["ackId"]]

    def release(self) -> None:
        """Make the dead letters that were not acknowledged available again.

        If the request fails, they become available when their ack deadline ends.
        """
        try:
            self._pubsub.modify_ack_deadline(self._subscription, list(self._leased.values()), 0)
        except (ApiError, TimeoutError):
            return


def batches(messages: list[ReceivedMessage]) -> Iterator[list[ReceivedMessage]]:
    """Yield the messages of each publish request: all have one ordering key, and their order is kept.

    The size of a request is limited by MAX_PUBLISH_BYTES.
    """
    by_key = defaultdict[str, list[ReceivedMessage]](list)
    for message in messages:
        by_key[message["message"].get("orderingKey", "")].append(message)
    for same_key in by_key.values():
        batch, size = list[ReceivedMessage](), 0
        for message in same_key:
            message_size = len(message["message"].get("data", ""))
            if batch and size + message_size > MAX_PUBLISH_BYTES:
                yield batch
                batch, size = [], 0
            batch.append(message)
            size += message_size
        yield batch


def publish(
    pubsub: Pubsub, topic: str, messages: list[ReceivedMessage]
) -> tuple[list[ReceivedMessage], list[str]]:
    """Publish the original messages; return the published dead letters, and an error for each refused one."""
    try:
        pubsub.publish(topic, [original_message(message) for message in messages])
    except ApiError as error:
        if error.status not in MESSAGE_REFUSED:
            raise
        if len(messages) == 1:
            return [], [f"Pub/Sub refuses message {messages[0]['message']['messageId']}: {error}"]
        middle = len(messages) // 2  # bisect, so that one refused message does not block the others
        published, errors = publish(pubsub, topic, messages[:middle])
        more_published, more_errors = publish(pubsub, topic, messages[middle:])
        return published + more_published, errors + more_errors
    return messages, []


def replay(pubsub: Pubsub, puller: Puller, options: argparse.Namespace) -> int:
    """Replay up to `options.count` dead letters."""
    replayed, errors = 0, list[str]()
    try:
        for messages in puller.pull(options.count):
            for batch in batches(messages):
                if options.dry_run:
                    print_lines(f"would be published to {options.topic}: {describe(each)}" for each in batch)
                    continue
                published, batch_errors = publish(pubsub, options.topic, batch)
                puller.acknowledge(published)
                replayed, errors = replayed + len(published), errors + batch_errors
                print(f"replayed {replayed}", file=sys.stderr)
    finally:
        puller.release()
        print_lines(errors)
        if not options.dry_run:
            print(f"{replayed} dead letters were replayed", flush=True)
    return EXIT_ERROR if errors else EXIT_OK


def peek(_: Pubsub, puller: Puller, options: argparse.Namespace) -> int:
    """Show dead letters and leave them in the subscription."""
    try:
        for messages in puller.pull(options.count):
            print_lines(json.dumps(each["message"]) if options.json else describe(each) for each in messages)
    finally:
        puller.release()
    return EXIT_OK


def count(pubsub: Pubsub, _: Puller, options: argparse.Namespace) -> int:
    """Print the number of dead letters and the source of the number."""
    counted = pubsub.count(options.subscription)
    if counted is None:
        print("an unknown number of dead letters (this Pub/Sub has no count)", flush=True)
        return EXIT_UNKNOWN
    print(f"{counted.messages} dead letters ({counted.source})", flush=True)
    return EXIT_OK


def probe(_: Pubsub, puller: Puller, __: argparse.Namespace) -> int:
    """Pull one dead letter and release it; return EXIT_REMAINING if there was one, else EXIT_OK."""
    try:
        found = next(puller.pull(1), None)
    finally:
        puller.release()
    return EXIT_REMAINING if found else EXIT_OK


def watch(pubsub: Pubsub, _: Puller, options: argparse.Namespace) -> int:
    """Wait while Pub/Sub pushes the dead letters, until all are gone, the number stalls or the time is up."""
    started = fewest_at = time.time()
    fewest: int | None = None
    while time.time() - started < options.seconds:
        counted = pubsub.count(options.subscription)
        if counted is not None and counted.taken_at >= started:
            if counted.messages != fewest:
                print(f"{counted.messages} left ({counted.source})", file=sys.stderr, flush=True)
            if counted.messages == 0:
                return EXIT_OK
            if fewest is None or counted.messages < fewest:
                fewest, fewest_at = counted.messages, time.time()
        if time.time() - fewest_at > options.stall_seconds:
            return EXIT_REMAINING
        time.sleep(options.every)
    return EXIT_UNKNOWN if fewest is None else EXIT_REMAINING


def check(pubsub: Pubsub, _: Puller, options: argparse.Namespace) -> int:
    """Check before a replay that topic and subscription exist, and that the subscription does not push.

    With `--pushed` the subscription may push.
    """
    resource = f"subscription {options.subscription}"
    try:
        endpoint = pubsub.subscription(options.subscription).get("pushConfig", {}).get("pushEndpoint", "")
        resource = f"topic {options.topic}"
        pubsub.topic(options.topic)
    except ApiError as error:
        raise ApiError(error.status, f"{resource}: {error}") from None
    if endpoint and not options.pushed:
        print(
            f"{options.subscription} pushes to {endpoint}: a replay-all is running or was killed. "
            "Wait until it ends, or end it with `stop`.",
            file=sys.stderr,
        )
        return EXIT_ERROR
    return EXIT_OK


def print_lines(lines: Iterator[str] | list[str]) -> None:
    """Print lines, and flush the output after each line."""
    for line in lines:
        print(line, flush=True)


COMMANDS: dict[str, Callable[[Pubsub, Puller, argparse.Namespace], int]] = {
    "check": check, "count": count, "peek": peek, "probe": probe, "replay": replay, "watch": watch,
}  # fmt: skip


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("count", nargs="?", type=int, default=1)
    parser.add_argument("--subscription", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--lease-seconds", type=int, default=60)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pushed", action="store_true")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--stall-seconds", type=float, default=0)
    parser.add_argument("--every", type=float, default=5)
    return parser.parse_args()


def main() -> int:
    """Run one command; return its exit status."""
    options = parse_options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pubsub = Pubsub(
        os.environ["PUBSUB_PROJECT"],
        endpoint=os.environ.get("PUBSUB_ENDPOINT", ""),
        monitoring=os.environ.get("MONITORING_ENDPOINT", ""),
        token=os.environ.get("PUBSUB_TOKEN", ""),
    )
    try:
        puller = Puller(pubsub, options.subscription, options.lease_seconds)
        return COMMANDS[options.command](pubsub, puller, options)
    except ApiError as error:
        print(f"Pub/Sub failed: {error}", file=sys.stderr)
        return EXIT_ERROR
    except TimeoutError:
        print("Pub/Sub did not answer in time; run the command again", file=sys.stderr)
        return EXIT_ERROR
    except BrokenPipeError:  # the program that reads the output, for example head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        print("interrupted: no dead letter is lost; run the command again to continue", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
