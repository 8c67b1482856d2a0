"""Shows, counts and replays dead letters one by one; `replay-dead-letters.sh` runs this module.

A dead letter is acknowledged only after Pub/Sub has confirmed that its job was published. After an
interruption a job may be published twice; the ledger counts it only once. `scrapeq dead replay`
(console/dead_letters/) does the same, but this module needs only Python. The shell script passes gcloud's
configuration in the environment variables PUBSUB_PROJECT, PUBSUB_ENDPOINT, MONITORING_ENDPOINT and
PUBSUB_TOKEN.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.dead_letter_messages import Puller, batches, describe, publish
from scripts.pubsub_rest import ApiError, Pubsub, ReceivedMessage

CSV_HEADER = "job_id"  #: the first line of `bq query --format=csv`
#: Exit statuses: success; failure; dead letters remain; it is unknown whether dead letters remain.
EXIT_OK, EXIT_ERROR, EXIT_REMAINING, EXIT_UNKNOWN = 0, 1, 3, 4


def replay(pubsub: Pubsub, puller: Puller, options: argparse.Namespace) -> int:
    """Replay up to `options.argument` dead letters."""
    return _replay(pubsub, puller, options, puller.pull(int(options.argument)))


def replay_jobs(pubsub: Pubsub, puller: Puller, options: argparse.Namespace) -> int:
    """Replay the dead letters of the jobs whose ids are in the file `options.argument`, one on each line."""
    wanted = set(Path(options.argument).read_text(encoding="utf-8").split()) - {CSV_HEADER}
    status = _replay(pubsub, puller, options, puller.pull_jobs(wanted))
    if not options.dry_run:
        print(f"{len(wanted - puller.found)} of the {len(wanted)} jobs have no dead letter", flush=True)
    return status


def _replay(
    pubsub: Pubsub, puller: Puller, options: argparse.Namespace, pulled: Iterator[list[ReceivedMessage]]
) -> int:
    replayed, errors = 0, list[str]()
    try:
        for messages in pulled:
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
        for messages in puller.pull(int(options.argument)):
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
    "check": check, "count": count, "peek": peek, "probe": probe, "replay": replay,
    "replay-jobs": replay_jobs, "watch": watch,
}  # fmt: skip


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("argument", nargs="?", default="1", help="a number, or the file of replay-jobs")
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
