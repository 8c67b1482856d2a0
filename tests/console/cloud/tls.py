"""Serves a plain TCP server over TLS, as Google serves gRPC."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.servers.certificates import CertificateAuthority

CHUNK_BYTES = 64 * 1024


@contextmanager
def served_over_tls(target: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the address `localhost:port` of a server that passes all bytes on to `target`, a `host:port`.

    The second value is a file with the certificate of its authority.
    """
    authority = CertificateAuthority()
    roots = folder / "roots.pem"
    roots.write_text(authority.pem())
    context = authority.server(folder, "localhost")
    context.set_alpn_protocols(["h2"])
    address, started, stops = list[str](), threading.Event(), list[Callable[[], object]]()

    async def serve() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await _start(target, context)
        address.append(f"localhost:{server.sockets[0].getsockname()[1]}")
        stops.append(lambda: loop.call_soon_threadsafe(stopped.set))
        started.set()
        await stopped.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(60)
    try:
        yield address[0], roots
    finally:
        stops[0]()
        thread.join(60)


async def _start(target: str, context: ssl.SSLContext) -> asyncio.Server:
    host, _, port = target.rpartition(":")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        further_reader, further_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_copy(reader, further_writer), _copy(further_reader, writer))
        for each in (writer, further_writer):
            with suppress(OSError):
                await each.wait_closed()

    return await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
