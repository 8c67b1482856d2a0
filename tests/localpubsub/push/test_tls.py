"""Push over TLS: believed, if an authority of ours says so, and not otherwise."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.pubsub_v1.types import PushConfig

import localpubsub
from tests.servers.pubsub import PubsubServer, gapic_clients
from tests.servers.pubsub_client import PubsubClient
from tests.servers.push_endpoint import PushEndpoint, PushEndpointServer


def self_made(directory: Path) -> tuple[Path, Path]:
    """PEM files of a certificate for 127.0.0.1 that vouches for itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of our own")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = directory / "ca.pem", directory / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pem, key_pem


@contextmanager
def serving_tls(certificate: Path, key: Path) -> Iterator[PushEndpoint]:
    """An https:// endpoint."""
    endpoint = PushEndpoint()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with PushEndpointServer(endpoint) as http:
        # The handshake belongs to the thread of the connection, not to the one that accepts.
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        endpoint.url = endpoint.url.replace("http:", "https:")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield endpoint
        finally:
            http.shutdown()
            thread.join()


def test_an_endpoint_of_a_trusted_authority_is_pushed_to(tmp_path: Path) -> None:
    """--ca-file: many pushes over TLS, on connections that are kept."""
    certificate, key = self_made(tmp_path)
    with (
        serving_tls(certificate, key) as endpoint,
        localpubsub.running(ca_file=certificate) as server,
        gapic_clients(server.host) as clients,
    ):
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)
        topic = pubsub.topic()
        pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url))
        ids = pubsub.publish(topic, *[b"x" * 10_000] * 100)
        pushes = endpoint.wait_for(100)
    assert sorted(push.message_id for push in pushes) == sorted(ids)


def test_an_endpoint_nobody_vouches_for_is_not_pushed_to(tmp_path: Path) -> None:
    """A nack, as on the real service: the message waits, and goes where it may later."""
    certificate, key = self_made(tmp_path)
    with (
        serving_tls(certificate, key) as endpoint,
        localpubsub.running() as server,
        gapic_clients(server.host) as clients,
    ):
        pubsub = PubsubClient(PubsubServer("localpubsub", server.host, None), 10, *clients)
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url))
        (message_id,) = pubsub.publish(topic, b"x")
        with pytest.raises(AssertionError):
            endpoint.wait_for(1, timeout=0.5)
        pubsub.subscriber.modify_push_config(subscription=subscription, push_config=PushConfig())
        assert pubsub.pull(subscription)[0].message.message_id == message_id


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    """At the start, with a sentence."""
    (tmp_path / "empty.pem").touch()
    for file in ("empty.pem", "missing.pem"):
        with (
            pytest.raises(localpubsub.CannotStart, match=rf"{file}.*--ca-file"),
            localpubsub.running(ca_file=tmp_path / file),
        ):
            pass
