"""Run as a script in a host: its eth0 hands over whole packets with their checksums, as packet sockets must see them."""

import fcntl
import socket
import struct

SIOCETHTOOL = 0x8946
OFF = (0x17, 0x19, 0x1F, 0x24)
"""ETHTOOL_STXCSUM, SSG, STSO and SGSO of linux/ethtool.h."""


def main() -> None:
    import ctypes

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for number in OFF:
            value = ctypes.create_string_buffer(struct.pack("II", number, 0))
            fcntl.ioctl(any_socket, SIOCETHTOOL, struct.pack("16sP16x", b"eth0", ctypes.addressof(value)))


if __name__ == "__main__":
    main()
