"""HTTP byte ranges (RFC 9110, section 14): which bytes of an object a browser asks for."""

import re
from http import HTTPStatus

from farm.errors import Rejected

_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)


class UnsatisfiableRange(Rejected):
    """No byte of the object lies in the range asked for."""

    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE


def serve_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes (start, end without end) that a Range header asks for of `size` bytes; None is all of them.

    What is malformed, in another unit or of several ranges is ignored, as the standard allows.
    Raises UnsatisfiableRange (416).
    """
    match = _ONE_RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = _position(match[1]), _position(match[2])
    if first is None:
        return _suffix(last or 0, size)
    if last is not None and last < first:
        return None
    if first >= size:
        raise _unsatisfiable(size)
    return first, size if last is None else min(last + 1, size)


def _suffix(length: int, size: int) -> tuple[int, int] | None:
    if length == 0:
        raise _unsatisfiable(size)
    return (max(0, size - length), size) if size else None


def _position(digits: str) -> int | None:
    """A byte's place; one of absurdly many digits (int() refuses 4 300) is merely very far."""
    if not digits:
        return None
    return int(digits) if len(digits.lstrip("0")) <= 18 else 10**18


def _unsatisfiable(size: int) -> UnsatisfiableRange:
    return UnsatisfiableRange(
        "The range asked for begins behind the end of the file ({size} bytes).", size=size
    )
