"""Tests ``python -m localpubsub`` as a process: its options, messages, exit status, and SIGKILL.

The numbers of behaviours refer to the table in localpubsub/README.md.
"""

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


def _attempts_on_disk(data: str) -> int:
    """Return the number of delivery attempts of the only message, as stored on disk."""
    with closing(sqlite3.connect(Path(data) / "pubsub.sqlite")) as database:
        return int(database.execute("SELECT max(attempts) FROM backlog").fetchone()[0])


def error_of(*arguments: str) -> str:
    """Run a command that cannot start; return its standard error."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done
    return done.stderr


def test_confirmed_messages_survive_sigkill(tmp_path: Path) -> None:
    """Behaviour 31: after SIGKILL and a restart, every confirmed message and acknowledgement is kept."""
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


def test_delivery_attempts_are_counted_across_sigkill(tmp_path: Path) -> None:
    """Behaviours 20 and 31: five attempts, with two restarts between them, make a message a dead letter."""
    data = str(tmp_path / "data")
    with running_endpoint() as endpoint:
        endpoint.respond = lambda _: 500 if len(endpoint.pushes) not in {2, 4} else "silence"
        with running_process("--data", data) as server, connect(server.host) as pubsub:
            topic, dead_letter_topic = pubsub.topic(), pubsub.topic()
            reader = pubsub.subscription(dead_letter_topic)
            policy = DeadLetterPolicy(dead_letter_topic=dead_letter_topic, max_delivery_attempts=5)
            push = PushConfig(push_endpoint=endpoint.url)
            # A push without a response ends with the kill, and not before with its deadline.
            pubsub.subscription(topic, dead_letter_policy=policy, push_config=push, ack_deadline_seconds=600)
            pubsub.publish(topic, b"poison")
            endpoint.wait_for(2)
            wait_until(lambda: _attempts_on_disk(data) == 2)
            server.kill()
        with running_process("--data", data) as server:
            endpoint.wait_for(4)
            wait_until(lambda: _attempts_on_disk(data) == 4)
            server.kill()
        with running_process("--data", data) as server, connect(server.host) as pubsub:
            (dead_letter,) = pubsub.pull(reader)
    assert [push.envelope["deliveryAttempt"] for push in endpoint.pushes] == [1, 2, 3, 4, 5]
    assert dead_letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"


def test_port_in_use_is_reported_in_one_line() -> None:
    """The error for a port in use is one line with the port and the option that changes it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = error_of("--ephemeral", "--port", str(port))
        assert message == (
            f"localpubsub: cannot listen on 127.0.0.1:{port}: is another server running there? "
            "Choose another port with --port (0 chooses a free one).\n"
        )
        message = error_of("--ephemeral", "--port", "0", "--http-port", str(port))
        assert f"127.0.0.1:{port}" in message
        assert "--http-port" in message


def test_two_servers_cannot_share_a_port() -> None:
    """A second server on a port in use cannot start, although gRPC's default options would allow it."""
    with running_process("--ephemeral") as server:
        assert "--port" in error_of("--ephemeral", "--port", server.host.rpartition(":")[2])


def test_data_directory_in_use_is_reported_in_one_line(tmp_path: Path) -> None:
    """The error for a data directory in use is one line without a traceback."""
    with running_process("--data", str(tmp_path)):
        message = error_of("--data", str(tmp_path), "--port", "0")
    assert message.count("\n") == 1
    assert "in use by another localpubsub" in message


@pytest.mark.parametrize(
    "arguments", [["--port", "70000"], ["--max-outstanding", "0"], ["--log-level", "loud"]]
)
def test_invalid_option_is_reported(arguments: list[str]) -> None:
    """The error for an invalid value names the option."""
    assert arguments[0] in error_of(*arguments)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_the_server_cleanly(tmp_path: Path, signal_number: signal.Signals) -> None:
    """SIGINT and SIGTERM end the server with status 0 during a push, and the message is delivered again."""
    with running_endpoint() as endpoint:
        endpoint.respond = lambda _: "silence"
        with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
            topic = pubsub.topic()
            push = PushConfig(push_endpoint=endpoint.url)
            subscription = pubsub.subscription(topic, push_config=push)
            (message_id,) = pubsub.publish(topic, b"open")
            endpoint.wait_for(1)
            os.kill(server.process.pid, signal_number)
            assert server.process.wait(120) == 0
    with running_process("--data", str(tmp_path)) as server, connect(server.host) as pubsub:
        pubsub.subscriber.modify_push_config(subscription=subscription, push_config=PushConfig())
        assert [received.message.message_id for received in pubsub.pull(subscription)] == [message_id]


def test_without_agent_rights_is_still_accepted() -> None:
    """The option --without-service-agent-permissions is accepted under its name of version 0.1, too."""
    with running_process("--ephemeral", "--without-agent-rights") as server:
        assert server.host


def test_help_has_every_option() -> None:
    """The help of the command lists exactly the options of localpubsub.Options; two can be repeated."""
    text = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    offered = set(re.findall(r"^\s+--(?:without-)?([a-z-]+)", text, re.MULTILINE))
    repeated = {"allowed-hosts": "allowed-host", "projects": "project"}
    names = {name.replace("_", "-") for name in Options.__slots__}
    assert offered - {"version"} == {repeated.get(name, name) for name in names}
