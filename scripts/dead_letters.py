"""What `replay-dead-letters.sh` does with single dead letters: shows them, counts them, makes jobs of them.

Publish, wait for the id, then acknowledge: interrupted anywhere, a letter is at worst published twice, which
the ledger counts once. The same as `scrapeq replay` (console/replay.py) with nothing but Python.
What gcloud knows is in the environment: PUBSUB_PROJECT, PUBSUB_ENDPOINT, MONITORING_ENDPOINT, PUBSUB_TOKEN.
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

from scripts.pubsub_rest import Letter, Pubsub, Refused

DEATH = "CloudPubSubDeadLetter"  #: what Pub/Sub's own attributes of a dead letter begin with
#: What a worker that buried the job wrote (contract/dead_letter.py).
WORKERS = frozenset({"reason", "detail", "attempt"})
DELIVERIES = "CloudPubSubDeadLetterSourceDeliveryCount"
LETTERS_PER_PULL = 500
EMPTY_PULLS = 2  #: an empty answer is not an empty queue (https://cloud.google.com/pubsub/docs/pull#dont_return_immediately)
PUBLISH_BYTES = 4_000_000  #: of base64 in one request, which may have 10,000,000
NOT_TAKEN = frozenset({400, 413})  #: Pub/Sub's answers to a message as such
DONE, WRONG, LEFT, UNKNOWN = 0, 1, 3, 4  #: exit statuses


def own_message(letter: Letter) -> dict[str, Any]:
    """Return the message that died: what was written about its death is left out, all else is kept."""
    message = letter["message"]
    attributes = message.get("attributes", {})
    own = {
        name: value
        for name, value in attributes.items()
        if name not in WORKERS and not name.startswith(DEATH)
    }
    kept = {"data": message.get("data", ""), "attributes": own, "orderingKey": message.get("orderingKey", "")}
    return {name: value for name, value in kept.items() if value}


def describe(letter: Letter) -> str:
    """Return one line about a letter; nothing in it can steer a terminal."""
    message = letter["message"]
    attributes = dict(message.get("attributes", {}))
    attempts = attributes.get(DELIVERIES, "?")
    shown = {"attempts": attempts, "reason": attributes.pop("reason", "not in the letter: ask the ledger")}
    shown |= {name: value for name, value in sorted(attributes.items()) if not name.startswith(DEATH)}
    told = " ".join(f"{json.dumps(name)[1:-1]}={json.dumps(value)}" for name, value in shown.items())
    size = len(base64.b64decode(message.get("data", "")))
    return f"{message['messageId']} {message.get('publishTime', '')} {told} data={size} B"


class Desk:
    """Takes letters out of the subscription, and gives back whatever was not finished with.

    Args:
        pubsub: of the project.
        subscription: of the dead letters.
        lease_seconds: how long letters that are worked on are kept from others.
    """

    def __init__(self, pubsub: Pubsub, subscription: str, lease_seconds: int) -> None:
        self._pubsub = pubsub
        self._subscription = subscription
        self._lease_seconds = lease_seconds
        self._held: dict[str, Letter] = {}

    def take(self, count: int) -> Iterator[list[Letter]]:
        """Yield letters, `count` of them altogether, until nothing comes any more."""
        empty, left = 0, count
        while left > 0 and empty < EMPTY_PULLS:
            letters = self._pubsub.pull(self._subscription, min(left, LETTERS_PER_PULL))
            self._held |= {letter["ackId"]: letter for letter in letters}
            if letters:
                self._pubsub.lease(self._subscription, letters, self._lease_seconds)
                left -= len(letters)
                yield letters
            empty = 0 if letters else empty + 1

    def acknowledge(self, letters: list[Letter]) -> None:
        """Take letters out for good."""
        self._pubsub.acknowledge(self._subscription, letters)
        for letter in letters:
            del self._held[letter["ackId"]]

    def give_back(self) -> None:
        """Give back what is held; where that fails, its lease ends by itself."""
        try:
            self._pubsub.lease(self._subscription, list(self._held.values()), 0)
        except (Refused, TimeoutError):
            return


def batches(letters: list[Letter]) -> Iterator[list[Letter]]:
    """Yield letters as requests take them: of one ordering key, in order, and not too large."""
    by_key = defaultdict[str, list[Letter]](list)
    for letter in letters:
        by_key[letter["message"].get("orderingKey", "")].append(letter)
    for same_key in by_key.values():
        batch, size = list[Letter](), 0
        for letter in same_key:
            weight = len(letter["message"].get("data", ""))
            if batch and size + weight > PUBLISH_BYTES:
                yield batch
                batch, size = [], 0
            batch.append(letter)
            size += weight
        yield batch


def publish(pubsub: Pubsub, topic: str, letters: list[Letter]) -> tuple[list[Letter], list[str]]:
    """Publish letters in one request; return those that are jobs again, and a sentence on each other."""
    try:
        pubsub.publish(topic, [own_message(letter) for letter in letters])
    except Refused as wrong:
        if wrong.status not in NOT_TAKEN:
            raise
        if len(letters) == 1:
            return [], [f"{letters[0]['message']['messageId']} is not taken: {wrong}"]
        middle = len(letters) // 2  # one bad letter must not keep the others
        first, refused = publish(pubsub, topic, letters[:middle])
        second, more = publish(pubsub, topic, letters[middle:])
        return first + second, refused + more
    return letters, []


def replay(pubsub: Pubsub, desk: Desk, options: argparse.Namespace) -> int:
    """Make jobs of up to `options.count` letters again."""
    replayed, refused = 0, list[str]()
    try:
        for letters in desk.take(options.count):
            for batch in batches(letters):
                if options.dry_run:
                    say_all(f"would be published to {options.topic}: {describe(letter)}" for letter in batch)
                    continue
                published, wrong = publish(pubsub, options.topic, batch)
                desk.acknowledge(published)
                replayed, refused = replayed + len(published), refused + wrong
                print(f"replayed {replayed}", file=sys.stderr)
    finally:
        desk.give_back()
        say_all(refused)
        if not options.dry_run:
            print(f"{replayed} dead letters are jobs again", flush=True)
    return WRONG if refused else DONE


def peek(_: Pubsub, desk: Desk, options: argparse.Namespace) -> int:
    """Show letters, and leave them where they are."""
    try:
        for letters in desk.take(options.count):
            say_all(json.dumps(letter["message"]) if options.json else describe(letter) for letter in letters)
    finally:
        desk.give_back()
    return DONE


def count(pubsub: Pubsub, _: Desk, options: argparse.Namespace) -> int:
    """Say how many letters there are, and who counted."""
    counted = pubsub.count(options.subscription)
    if counted is None:
        print("an unknown number of dead letters (nobody counts them here)", flush=True)
        return UNKNOWN
    print(f"{counted.letters} dead letters ({counted.basis})", flush=True)
    return DONE


def look(_: Pubsub, desk: Desk, __: argparse.Namespace) -> int:
    """Say whether a pull still finds a letter, and give it back."""
    try:
        found = next(desk.take(1), None)
    finally:
        desk.give_back()
    return LEFT if found else DONE


def watch(pubsub: Pubsub, _: Desk, options: argparse.Namespace) -> int:
    """Wait while the letters are pushed: until none is left, they stop growing fewer, or time is over."""
    started = best_at = time.time()
    best: int | None = None
    while time.time() - started < options.seconds:
        counted = pubsub.count(options.subscription)
        if counted is not None and counted.taken_at >= started:
            if counted.letters != best:
                print(f"{counted.letters} left ({counted.basis})", file=sys.stderr, flush=True)
            if counted.letters == 0:
                return DONE
            if best is None or counted.letters < best:
                best, best_at = counted.letters, time.time()
        if time.time() - best_at > options.patience:
            return LEFT
        time.sleep(options.every)
    return UNKNOWN if best is None else LEFT


def check(pubsub: Pubsub, _: Desk, options: argparse.Namespace) -> int:
    """Say what is missing before anything is begun: subscription, topic, or that it waits for pulls."""
    what = f"subscription {options.subscription}"
    try:
        endpoint = pubsub.subscription(options.subscription).get("pushConfig", {}).get("pushEndpoint", "")
        what = f"topic {options.topic}"
        pubsub.topic(options.topic)
    except Refused as wrong:
        raise Refused(wrong.status, f"{what}: {wrong}") from None
    if endpoint and not options.pushed:
        print(
            f"{options.subscription} pushes to {endpoint}: a replay-all runs, or was killed. "
            "Wait for its end, or end it with `stop`.",
            file=sys.stderr,
        )
        return WRONG
    return DONE


def say_all(lines: Iterator[str] | list[str]) -> None:
    """Print lines."""
    for line in lines:
        print(line, flush=True)


COMMANDS: dict[str, Callable[[Pubsub, Desk, argparse.Namespace], int]] = {
    "check": check, "count": count, "look": look, "peek": peek, "replay": replay, "watch": watch,
}  # fmt: skip


def main() -> int:
    """Run one command; return its exit status."""
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
    parser.add_argument("--patience", type=float, default=0)
    parser.add_argument("--every", type=float, default=5)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pubsub = Pubsub(
        os.environ["PUBSUB_PROJECT"],
        endpoint=os.environ.get("PUBSUB_ENDPOINT", ""),
        monitoring=os.environ.get("MONITORING_ENDPOINT", ""),
        token=os.environ.get("PUBSUB_TOKEN", ""),
    )
    try:
        desk = Desk(pubsub, options.subscription, options.lease_seconds)
        return COMMANDS[options.command](pubsub, desk, options)
    except Refused as wrong:
        print(f"Pub/Sub said: {wrong}", file=sys.stderr)
        return WRONG
    except TimeoutError:
        print("Pub/Sub did not answer in time", file=sys.stderr)
        return WRONG
    except BrokenPipeError:  # whoever read, as head does, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        print("interrupted: no letter is lost; run it again to go on", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
