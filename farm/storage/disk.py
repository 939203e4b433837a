"""What local disks do: files that appear whole, and the errors of full and broken disks in words."""

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from farm.errors import ServiceDown, Transient

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BROKEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ESTALE}


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Raise Transient for a full disk and ServiceDown for an unusable one, naming `place`."""
    try:
        yield
    except OSError as e:
        if e.errno in _FULL:
            raise Transient(
                "The disk of {place} is full or over its limit. Free space there; the work then goes on.",
                place=str(place),
            ) from e
        if e.errno in _BROKEN:
            raise ServiceDown(
                "{place} cannot be used: {reason}. Check its disk, and that the farm's user owns it.",
                place=str(place),
                reason=e.strerror,
            ) from e
        raise


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A file to write that becomes `target` at the end, unless an error ends the block."""
    arriving = target.with_name(f".{uuid.uuid4().hex}.part")
    with disk_errors(target):
        try:
            with arriving.open("xb") as file:
                yield file
            os.replace(arriving, target)
        finally:
            with suppress(FileNotFoundError):
                arriving.unlink()


def opened(source: Path | bytes | BinaryIO) -> AbstractContextManager[BinaryIO]:
    """`source` to read from; what is opened here is closed, a stream that was handed in is not."""
    if isinstance(source, Path):
        return source.open("rb")
    return BytesIO(source) if isinstance(source, bytes) else nullcontext(source)
