"""What a processor's libraries keep between calls: so much that they are quick, and never more with time."""

import ctypes
import os

PRIMITIVES, PRODUCTS = 128, 64
"""Kernels that are kept: a vocoder has some ninety for one length, a step of the flow matching twenty."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of mallopt(3)."""
KEPT, MAPPED = 2**30, 2**25
"""Bytes: so many may be free before some are given back; a tensor of so many is always given back."""


def bound() -> None:
    """To be called before the process's first convolution or product: the libraries read it then, and once.

    oneDNN makes kernels for each shape, and keeps 1024; so does what torch has between it and itself. Speech
    has as many shapes as lengths: measured with a small checkpoint, 700 MB more after 1 000 segments. Fewer
    cost nothing but their making, of which a call of a length that was never met has to pay anyway.

    glibc is told to stay where it would come to by itself (tensors up to 32 MB lie among all else), but to
    keep what is free there: it would give some back after one batch, and ask for it again in the next.
    """
    os.putenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(PRIMITIVES))
    os.putenv("LRU_CACHE_CAPACITY", str(PRODUCTS))
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc, that is Linux
        libc.mallopt(M_MMAP_THRESHOLD, MAPPED)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)


def give_back() -> None:
    """Between two batches: what is free in the heap goes back to the system, also from its middle.

    Else the holes of one batch are too small for the next one's tensors, which are of other lengths, and the
    heap still grew after 3 000 segments. To map it again costs a batch some tenths of a second.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
