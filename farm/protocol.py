"""What the farm and its workers must agree on; a worker knows nothing else of the farm's side."""

PROTOCOL = 2
"""Of the worker API's messages."""

OLDEST = PROTOCOL - 1
"""The oldest that is understood beside it, so that a farm can be updated before its workers."""


def is_understood(protocol: int) -> bool:
    return OLDEST <= protocol <= PROTOCOL
