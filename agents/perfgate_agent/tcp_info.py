"""What the kernel knows of a TCP connection: struct tcp_info of linux/tcp.h."""

from __future__ import annotations

import socket
import struct

_ACKED = 120  # u64 tcpi_bytes_acked: payload, and the SYN as one byte
_SENT = struct.Struct("=QQ")  # at 200: u64 tcpi_bytes_sent (with retransmissions), u64 tcpi_bytes_retrans
_SENT_AT = 200
_SIZE = _SENT_AT + _SENT.size


def unacknowledged(endpoint: socket.socket) -> int:
    """Bytes that were sent and that the other side's kernel never acknowledged, also on a connection that has ended.
    0 where that cannot be told: no TCP, or a kernel before 4.19."""
    try:
        info = endpoint.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
    except OSError:
        return 0
    if len(info) < _SIZE:
        return 0
    (acked,) = struct.unpack_from("=Q", info, _ACKED)
    sent, again = _SENT.unpack_from(info, _SENT_AT)
    return max(0, int(sent - again - max(0, acked - 1)))
