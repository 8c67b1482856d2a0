"""``python -m localpubsub`` as a process: started, killed, started again."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from google.pubsub_v1.types import DeadLetterPolicy, PushConfig

from localpubsub.options import Options
from tests.servers.localpubsub_process import running_process
from tests.servers.pubsub_client import connect
from tests.servers.push_endpoint import running_endpoint
from tests.servers.waiting import wait_until

COMMAND = [sys.executable, "-m", "localpubsub"]


def _counted(data: str) -> int:
    """Deliveries on disk of the one message there is."""
    with closing(sqlite3.connect(Path(data) / "pubsub.sqlite")) as database:
        return int(database.execute("SELECT max(attempts) FROM backlog").fetchone()[0])


def refused(*arguments: str) -> str:
    """The one line on stderr of a command that must not start."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done
    return done.stderr


def test_what_was_confirmed_survives_sigkill(tmp_path: Path) -> None:
    """Behaviour 31: killed right after the confirmation, and started again: every message is still there."""
    data = str(tmp_path / "data")
    with running_process("--data", data) as server, connect(server.host) as pubsub:
        topic = pubsub.topic(labels={"kept": "yes"})
        subscription = pubsub.subscription(topic, ack_deadline_seconds=60)
        ids = [each for batch in range(10) for each in pubsub.publish(topic, *[b"%d" % batch] * 100)]
        done = pubsub.pull(subscription, 100)
        pubsub.ack(subscription, done)
        server.kill()
    with running_process("--data", data) as server, connect(server.host) as pubsub:
        assert dict(pubsub.publisher.get_topic(topic=topic).labels) == {"kept": "yes"}
        assert pubsub.subscriber.get_subscription(subscription=subscription).ack_deadline_seconds == 60
        found = [received.message.message_id for received in pubsub.pull(subscription, 900)]
        acknowledged = {received.message.message_id for received in done}
        assert sorted(found) == sorted(set(ids) - acknowledged)
        assert pubsub.pull_now(subscription) == []
        (new,) = pubsub.publish(topic, b"new")
        assert int(new) > int(max(ids, key=int))


def test_attempts_are_counted_across_sigkill(tmp_path: Path) -> None:
    """Behaviours 20 and 31: five deliveries in all, whatever was restarted in between, then a dead letter."""
    data = str(tmp_path / "data")
    with running_endpoint() as endpoint:
        endpoint.respond = lambda _: 500 if len(endpoint.pushes) not in {2, 4} else "silence"
        with running_process("--data", data) as server, connect(server.host) as pubsub:
            topic, graveyard = pubsub.topic(), pubsub.topic()
            reader = pubsub.subscription(graveyard)
            policy = DeadLetterPolicy(dead_letter_topic=graveyard, max_delivery_attempts=5)
            push = PushConfig(push_endpoint=endpoint.url)
            pubsub.subscription(topic, dead_letter_policy=policy, push_config=push)
            pubsub.publish(topic, b"poison")
            endpoint.wait_for(2)
            wait_until(lambda: _counted(data) == 2)
            server.kill()
        with running_process("--data", data) as server:
            endpoint.wait_for(4)
            wait_until(lambda: _counted(data) == 4)
            server.kill()
        with running_process("--data", data) as server, connect(server.host) as pubsub:
            (letter,) = pubsub.pull(reader)
    assert [push.envelope["deliveryAttempt"] for push in endpoint.pushes] == [1, 2, 3, 4, 5]
    assert letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"


def test_a_port_in_use_is_one_sentence() -> None:
    """Which port, and which option chooses another; exit status 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("--ephemeral", "--port", str(port))
        assert said == (
            f"localpubsub: cannot listen on 127.0.0.1:{port}: is another server running there? "
            "Choose another port with --port (0 chooses a free one).\n"
        )
        said = refused("--ephemeral", "--port", "0", "--http-port", str(port))
        assert f"127.0.0.1:{port}" in said
        assert "--http-port" in said


def test_two_servers_never_share_a_port() -> None:
    """GRPC would let them (SO_REUSEPORT), and give each half of the calls."""
    with running_process("--ephemeral") as server:
        assert "--port" in refused("--ephemeral", "--port", server.host.rpartition(":")[2])


def test_a_directory_in_use_is_one_sentence(tmp_path: Path) -> None:
    """Exit status 2, no stack trace."""
    with running_process("--data", str(tmp_path)):
        said = refused("--data", str(tmp_path), "--port", "0")
    assert said.count("\n") == 1
    assert "in use by another localpubsub" in said


@pytest.mark.parametrize(
    "arguments", [["--port", "70000"], ["--max-outstanding", "0"], ["--log-level", "loud"]]
)
def test_a_wrong_option_is_explained(arguments: list[str]) -> None:
    """Argparse's usage and one sentence."""
    assert arguments[0] in refused(*arguments)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_when_asked(tmp_path: Path, number: signal.Signals) -> None:
    """Cleanly, with a push still open and a stream that waits; what was open is still there afterwards."""
    with running_endpoint() as endpoint:
        endpoint.respond = lambda _: "silence"
        with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
            topic = pubsub.topic()
            push = PushConfig(push_endpoint=endpoint.url)
            subscription = pubsub.subscription(topic, push_config=push)
            (message_id,) = pubsub.publish(topic, b"open")
            endpoint.wait_for(1)
            os.kill(server.process.pid, number)
            assert server.process.wait(120) == 0
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        pubsub.subscriber.modify_push_config(subscription=subscription, push_config=PushConfig())
        assert [received.message.message_id for received in pubsub.pull(subscription)] == [message_id]


def test_without_agent_rights_is_still_accepted() -> None:
    """The name that --without-service-agent-permissions had in version 0.1 works on."""
    with running_process("--ephemeral", "--without-agent-rights") as server:
        assert server.lines[2] == "localpubsub: data in memory only\n"


def test_the_help_names_every_option() -> None:
    """The command line is the Options, no more and no less."""
    text = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    offered = set(re.findall(r"^\s+--(?:without-)?([a-z-]+)", text, re.MULTILINE))
    assert offered == {name.replace("_", "-") for name in Options.__slots__}
