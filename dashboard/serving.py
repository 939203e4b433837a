"""How gunicorn serves: its configuration, where its command line has no word for it."""

from typing import Any

from farm.gate import keep_alive


def when_ready(server: Any) -> None:
    """A thread must not wait for ever for the rest of a request whose machine was unplugged.

    On Linux what is accepted inherits this from the socket that listens.
    """
    for listener in server.LISTENERS:
        keep_alive(listener.sock)
