"""Redis is refused, with a sentence, if it may lose messages or if BROKER_URL does not fit it."""

from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from console.stack.ports import free_port
from contract.faults import ConfidentialFault
from publishing.open_publisher import check_broker
from publishing.publisher import Message
from publishing.redis.publisher import RedisPublisher
from tests.publishing.unconfirmed import unconfirmed
from tests.servers.certificates import key_pem, self_signed
from tests.servers.redis import DURABLE, RedisServer, running_redis
from tests.servers.waiting import MAX_WAIT_SECONDS

MESSAGE = Message(b"{}", {"job_id": "1"}, "example.org#0")


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        ("user:wrong", "refused the user or the password of BROKER_URL"),
        (":wrong", "refused the user or the password of BROKER_URL"),
        ("", "refused the user or the password of BROKER_URL"),
        ("reader:pass", r"no permissions to run the 'xadd' command.*`ACL SETUSER`"),
        ("blind:pass", r"cannot be checked.*\+info and \+config\|get"),
    ],
)
def test_a_refused_user_is_explained(
    tmp_path: Path, publishing_to_redis: Callable[..., RedisPublisher], user: str, sentence: str
) -> None:
    """If Redis refuses the user, the password or a command, the error says what to change."""
    with running_redis(tmp_path) as server:
        server.run("ACL", "SETUSER", "reader", "on", ">pass", "+info", "+config|get", "+client")
        server.run("ACL", "SETUSER", "blind", "on", ">pass", "~*", "+xadd", "+client")
        server.run("ACL", "SETUSER", "default", "resetpass", ">right")
        url = server.url.replace("redis://", f"redis://{user}@" if user else "redis://")
        error = unconfirmed(publishing_to_redis("scrape-jobs", url=url), MESSAGE, sentence)
    assert "wrong" not in error


def test_a_database_that_does_not_exist_is_explained(
    redis_server: RedisServer, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """If the number of the database is too large, the error names the part of BROKER_URL."""
    url = redis_server.url.replace("/0", "/99")
    publisher = publishing_to_redis("scrape-jobs", url=url)
    unconfirmed(publisher, MESSAGE, "BROKER_URL must end with the number of a database")


@pytest.mark.parametrize(
    ("settings", "risk"),
    [
        (("--appendonly", "no"), "appendonly is no"),
        (("--appendonly", "yes", "--appendfsync", "everysec"), "appendfsync is everysec"),
        ((*DURABLE, "--maxmemory-policy", "allkeys-lru"), "maxmemory-policy is allkeys-lru"),
    ],
)
def test_a_redis_that_may_lose_messages_confirms_nothing_unless_the_url_accepts_it(
    tmp_path: Path, publishing_to_redis: Callable[..., RedisPublisher], settings: tuple[str, ...], risk: str
) -> None:
    """Without the settings that keep messages a publish is unconfirmed; `accept_loss=true` allows it."""
    with running_redis(tmp_path, *settings) as server:
        topic = server.new_topic()
        unconfirmed(publishing_to_redis(topic, url=server.url), MESSAGE, f"{risk}.*accept_loss=true")
        assert server.messages(topic) == []
        publishing_to_redis(topic, MAX_WAIT_SECONDS, f"{server.url}?accept_loss=true").publish(MESSAGE)
        assert len(server.messages(topic)) == 1


def test_a_replica_confirms_nothing(
    redis_server: RedisServer, tmp_path: Path, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """A publish to a replica is unconfirmed, also if the primary became one after the connection was made."""
    with running_redis(tmp_path) as server:
        topic = server.new_topic()
        before = publishing_to_redis(topic, url=server.url)
        before.publish(MESSAGE)
        server.run("REPLICAOF", "127.0.0.1", redis_server.port)
        for publisher in (before, publishing_to_redis(topic, url=server.url)):
            unconfirmed(publisher, MESSAGE, "replica")


def test_a_cluster_is_refused(tmp_path: Path, publishing_to_redis: Callable[..., RedisPublisher]) -> None:
    """A node of a Redis Cluster is refused, since dead letters and jobs would be on different nodes."""
    # Without this option the port would be 10,000 more than Redis' port, and may be in use.
    cluster = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with running_redis(tmp_path, *DURABLE, *cluster) as server:
        publisher = publishing_to_redis("scrape-jobs", url=server.url)
        unconfirmed(publisher, MESSAGE, "a node of a Redis Cluster")


def test_tls_needs_a_certificate_that_is_trusted(
    tmp_path: Path, publishing_to_redis: Callable[..., RedisPublisher]
) -> None:
    """With `rediss://` messages go to a server with a trusted certificate, and to no other one."""
    key, port = ec.generate_private_key(ec.SECP256R1()), free_port()
    (tmp_path / "key.pem").write_bytes(key_pem(key))
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(self_signed(key, "redis", address=IPv4Address("127.0.0.1")))
    tls = ("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-key-file", str(tmp_path / "key.pem"))
    with running_redis(tmp_path, *DURABLE, *tls, "--tls-cert-file", str(certificate)) as server:
        topic, url = server.new_topic(), f"rediss://127.0.0.1:{port}/0"
        sentence = r"certificate is not trusted: .*SSL_CERT_FILE"
        unconfirmed(publishing_to_redis(topic, url=url), MESSAGE, sentence)
        trusted = f"{url}?cacertfile={certificate}"
        publishing_to_redis(topic, MAX_WAIT_SECONDS, trusted).publish(MESSAGE)
        assert len(server.messages(topic)) == 1


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("redis://user:secret@host/jobs", "must end with the number of a database"),
        ("redis://user:secret@host/0?accept_loss=yes", "a value of accept_loss other than true"),
        ("redis://user:secret@host/0?timeout=1", "an unknown parameter 'timeout'; it may have accept_loss"),
        ("redis://user:secret@host/0?cacertfile=/ca.pem", "which needs rediss://"),
        ("rediss://user:secret@host/0?cacertfile=/missing.pem", "names /missing.pem as cacertfile"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained(url: str, fault: str) -> None:
    """What is wrong with the URL of Redis is found before anything connects, and without its password."""
    with pytest.raises(ConfidentialFault, match=fault) as error:
        check_broker(url)
    assert "secret" not in str(error.value)
