"""What the farm and its workers must agree on; a worker knows nothing else of the farm's side."""

import re

from farm.errors import Rejected

PROTOCOL = 3
"""Of the worker API's messages."""

OLDEST = PROTOCOL - 1
"""The oldest that is understood beside it, so that a farm can be updated before its workers."""

RECORDINGS_SINCE = 3
"""An older worker cannot speak with a recording: it is not told where that is."""

LARGEST_RECORDING = 4 * 2**20
"""Bytes of what a worker is given of a voice: 15 s of mono WAV are half of that at most."""

PROBE_BYTES = 65_536
"""Of the object by which a machine sees whether it reaches the store."""

TOKEN = re.compile(r"fj1\.([A-Za-z0-9_-]{43})?\.([A-Za-z0-9_-]{20,100})")


def is_understood(protocol: int) -> bool:
    return OLDEST <= protocol <= PROTOCOL


def written(pin: str, secret: str) -> str:
    """A join token as people copy it. `pin` as RFC 7469 has it, "" where the farm has no TLS of its own.

    >>> written("", "s" * 20)
    'fj1..ssssssssssssssssssss'
    """
    return f"fj1.{pin.replace('+', '-').replace('/', '_').rstrip('=')}.{secret}"


def read(token: str) -> tuple[str, str]:
    """The pin and the secret of a token that was copied. Raises Rejected.

    >>> read(written("+/" * 21 + "A=", "s" * 20))[0] == "+/" * 21 + "A="
    True
    """
    parts = TOKEN.fullmatch(token.strip())
    if parts is None:
        raise Rejected(
            "This is no token to join with. Copy the whole line again: a token begins with fj1. "
            "and has two dots."
        )
    pin = f"{parts[1]}=" if parts[1] else ""
    return pin.replace("-", "+").replace("_", "/"), parts[2]


def direct_queue(worker_name: str) -> str:
    """The queue of work that is for one worker alone."""
    return f"w.{worker_name}"
