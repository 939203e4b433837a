"""Clients that trust the farm's one certificate, whatever its host is called: for HTTP and for Redis."""

import socket
import ssl
from pathlib import Path
from typing import Any

import redis

from farm import tls
from farm.errors import Rejected


def pinned(ca_file: Path) -> ssl.SSLContext:
    """Raises Rejected when the file is not a certificate."""
    try:
        return tls.client_context(ca_file)
    except (OSError, ValueError) as e:
        raise Rejected("{file} is not a certificate: {reason}.", file=str(ca_file), reason=str(e)) from e


def trusting(ca_file: str) -> dict[str, Any]:
    """urllib3's options to trust exactly the certificate in `ca_file`; "": the system's authorities.

    Raises Rejected when the file is not a certificate.
    """
    return {"ssl_context": pinned(Path(ca_file)), "assert_hostname": False} if ca_file else {}


class PinnedConnection(redis.SSLConnection):
    """Trusts the certificate in `ssl_ca_certs` alone; redis-py trusts the system's authorities, too."""

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        return pinned(Path(self.ca_certs)).wrap_socket(sock, server_hostname=self.host)
