"""Tests of pushes over TLS with trusted and untrusted certificates."""

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from google.pubsub_v1.types import PushConfig

import localpubsub
from tests.servers.certificates import key_pem, self_signed
from tests.servers.http_server import serving_in_thread
from tests.servers.pubsub_client import running_localpubsub
from tests.servers.push_endpoint import PushEndpoint, PushEndpointServer


def write_certificate(directory: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1 and its key; return their PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate_file, key_file = directory / "ca.pem", directory / "key.pem"
    certificate_file.write_bytes(self_signed(key, "test authority", address=IPv4Address("127.0.0.1")))
    key_file.write_bytes(key_pem(key))
    return certificate_file, key_file


@contextmanager
def serving_tls(certificate: Path, key: Path) -> Iterator[PushEndpoint]:
    """Serve an https:// endpoint until the block ends."""
    endpoint = PushEndpoint()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with PushEndpointServer(endpoint) as http:
        # The handshake must run in the thread of the connection, not in the thread that accepts connections.
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        endpoint.url = endpoint.url.replace("http:", "https:")
        with serving_in_thread(http):
            yield endpoint


def test_tls_endpoint_with_trusted_certificate_receives_pushes(tmp_path: Path) -> None:
    """A hundred messages are pushed to an endpoint whose certificate is in the file of --ca-file."""
    certificate, key = write_certificate(tmp_path)
    with (
        serving_tls(certificate, key) as endpoint,
        running_localpubsub(ca_file=certificate) as pubsub,
    ):
        topic = pubsub.topic()
        pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url))
        ids = pubsub.publish(topic, *[b"x" * 10_000] * 100)
        pushes = endpoint.wait_for(100)
    assert sorted(push.message_id for push in pushes) == sorted(ids)


def test_server_stops_while_a_tls_endpoint_keeps_its_connection_open(tmp_path: Path) -> None:
    """A stopped server closes its TLS connections even if the endpoint ignores the end of the session."""
    certificate, key = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    response = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as executor:

        def respond_and_leave_open() -> ssl.SSLSocket:
            connection = context.wrap_socket(listener.accept()[0], server_side=True)
            connection.recv(65536)
            connection.sendall(response)
            return connection

        accepted = executor.submit(respond_and_leave_open)
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        with running_localpubsub(ca_file=certificate) as pubsub:
            topic = pubsub.topic()
            pubsub.subscription(topic, push_config=PushConfig(push_endpoint=url))
            pubsub.publish(topic, b"x")
            connection = accepted.result(timeout=120)
        connection.close()


def test_push_to_tls_endpoint_with_untrusted_certificate_is_nacked(tmp_path: Path) -> None:
    """An endpoint with an untrusted certificate receives no push, and the message stays in the backlog."""
    certificate, key = write_certificate(tmp_path)
    with (
        serving_tls(certificate, key) as endpoint,
        running_localpubsub() as pubsub,
    ):
        topic = pubsub.topic()
        subscription = pubsub.subscription(topic, push_config=PushConfig(push_endpoint=endpoint.url))
        (message_id,) = pubsub.publish(topic, b"x")
        with pytest.raises(AssertionError):
            endpoint.wait_for(1, timeout=0.5)
        pubsub.subscriber.modify_push_config(subscription=subscription, push_config=PushConfig())
        assert pubsub.pull(subscription)[0].message.message_id == message_id


def test_server_with_ca_file_without_certificates_does_not_start(tmp_path: Path) -> None:
    """A server with an empty or missing CA file raises CannotStart, which names the file and the option."""
    (tmp_path / "empty.pem").touch()
    for file in ("empty.pem", "missing.pem"):
        with (
            pytest.raises(localpubsub.CannotStart, match=rf"{file}.*--ca-file"),
            localpubsub.running(ca_file=tmp_path / file),
        ):
            pass
