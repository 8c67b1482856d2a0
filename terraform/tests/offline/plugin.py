"""Serves a provider as a plugin of Terraform: handshake, TLS and shutdown.

https://developer.hashicorp.com/terraform/plugin/how-terraform-works describes how Terraform starts plugins.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import os
import shutil
import signal
import sys
import tempfile
import threading
from concurrent import futures

import grpc

MAGIC_COOKIE = ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2")
HANDSHAKE_VERSION, PROTOCOL_VERSION = 1, 5


def certificate() -> tuple[bytes, bytes, bytes]:
    """Return a new self-signed certificate as (key in PEM, certificate in PEM, certificate in DER)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        cert.public_bytes(serialization.Encoding.PEM),
        cert.public_bytes(serialization.Encoding.DER),
    )


@contextlib.contextmanager
def socket_path():
    """Yield a path for a Unix socket in a directory that only this user may enter."""
    directory = tempfile.mkdtemp(prefix="tf-offline-")
    try:
        yield f"{directory}/plugin"
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def serve(handlers: dict) -> None:
    """Serve the methods of the Provider service until Terraform stops the plugin or has itself ended."""
    variable, cookie = MAGIC_COOKIE
    if os.environ.get(variable) != cookie:
        sys.exit("This program is a plugin of Terraform; only Terraform can run it.")
    # The plugin ignores Ctrl-C, because Terraform then calls Stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    done = threading.Event()

    def shutdown(_request, _context):
        done.set()
        return b""

    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=8),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    raw = grpc.unary_unary_rpc_method_handler
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler("tfplugin5.Provider", handlers),
            grpc.method_handlers_generic_handler("plugin.GRPCController", {"Shutdown": raw(shutdown)}),
            # The response is a HealthCheckResponse with the status SERVING.
            grpc.method_handlers_generic_handler(
                "grpc.health.v1.Health", {"Check": raw(lambda *_: b"\x08\x01")}
            ),
        ]
    )
    with socket_path() as path:
        if os.environ.get("PLUGIN_CLIENT_CERT"):
            key, pem, der = certificate()
            # The server does not verify Terraform's client certificate, because gRPC's TLS library does not
            # support its curve. The mode of the directory excludes other users.
            server.add_secure_port(f"unix:{path}", grpc.ssl_server_credentials([(key, pem)]))
            encoded_certificate = base64.b64encode(der).decode().rstrip("=")
        else:
            server.add_insecure_port(f"unix:{path}")
            encoded_certificate = ""
        server.start()
        print(f"{HANDSHAKE_VERSION}|{PROTOCOL_VERSION}|unix|{path}|grpc|{encoded_certificate}", flush=True)
        parent = os.getppid()
        while not done.wait(timeout=5) and os.getppid() == parent:
            pass
        server.stop(grace=0.2).wait()
