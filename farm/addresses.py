"""Addresses of this machine, and how they are written in URLs."""

import socket
from contextlib import suppress
from ipaddress import ip_address

EVERY = ("", "0.0.0.0", "::")
OUTSIDE = ("192.0.2.1", 9)  # RFC 5737: nobody's; choosing the way there sends nothing


def is_loopback(host: str) -> bool:
    """
    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "192.168.1.5", "farm.example")]
    [True, True, True, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def at(scheme: str, host: str, port: int) -> str:
    """
    >>> at("https", "::1", 8600)
    'https://[::1]:8600'
    """
    return f"{scheme}://{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """A host as it stands before a port: an IPv6 address needs brackets."""
    return f"[{host}]" if ":" in host else host


def for_others(host: str) -> str:
    """Where others reach what listens on `host`."""
    return lan_address() if host in EVERY else host


def for_us(host: str) -> str:
    """Where this machine itself reaches what listens on `host`.

    >>> [for_us(host) for host in ("0.0.0.0", "::", "192.168.1.5")]
    ['127.0.0.1', '::1', '192.168.1.5']
    """
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def lan_address() -> str:
    """The address that other machines most likely see: the one our packets leave from; else 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(OUTSIDE)
        return str(probe.getsockname()[0])
    return next((found for found in own_addresses() if not is_loopback(found)), "127.0.0.1")


def own_addresses() -> list[str]:
    """What this machine's own name stands for."""
    try:
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None)})
    except OSError:
        return []
