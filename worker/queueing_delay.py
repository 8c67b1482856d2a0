"""For how long a request has waited before somebody had time for it.

Where all connections of a process are taken, or its loop is busy, a request lies in the kernel: in the
listener's backlog, or in its connection's buffer. The kernel knows since when; no server above it does.
"""

import socket
import struct
import sys

# tcpi_last_data_recv of Linux's struct tcp_info (linux/tcp.h): milliseconds since data last came in. Where a
# kernel leaves it 0, as gVisor may, a request counts from when it is read.
_OFFSET, _SIZE = 52, 56


def seconds_waited(connection: object) -> float:
    """Return how long ago the last byte of what `connection` has received came; 0 where nobody knows."""
    if sys.platform != "linux" or not isinstance(connection, socket.socket):
        return 0.0
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
    except OSError:  # not TCP
        return 0.0
    if len(told) < _SIZE:
        return 0.0
    (milliseconds,) = struct.unpack_from("=I", told, _OFFSET)
    return float(milliseconds) / 1000
