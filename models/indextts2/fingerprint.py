"""What names a checkpoint: a hash of its source tensors and numbers, however its files are laid out."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from farm.errors import Rejected
from models.indextts2.weights import Reading

CHUNK = 2**22
"""Numbers that are hashed at once."""

Tell = Callable[[int], None]
"""Is told how many bytes were read since it was last told."""


def fingerprint(readings: Mapping[str, Reading], settings: Mapping[str, Any], tell: Tell) -> str:
    """Of every tensor that inference reads, in the dtype it was published in, before weight norm is folded.

    A file that was published with weight norm folded already is another source, though it speaks alike.
    `settings` is anything JSON can say. Raises Rejected: a tensor has values that are no finite numbers.
    """
    tensors = [
        (part, key, str(tensor.dtype), list(tensor.shape), digest(part, key, tensor, tell))
        for part in sorted(readings)
        for key, tensor in sorted(readings[part].tensors.items())
    ]
    content = json.dumps({"tensors": tensors, "settings": settings}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def digest(part: str, key: str, tensor: Tensor, tell: Tell) -> str:
    hashed = hashlib.sha256()
    for chunk in chunks(tensor):
        if not chunk.sum(dtype=torch.float64).isfinite():  # no sum of so few float32 overflows there
            raise Rejected(
                "{part}: {key} has values that are no finite numbers. Download its file again.",
                part=part,
                key=key,
            )
        hashed.update(raw(chunk))
        tell(chunk.nbytes)
    return hashed.hexdigest()


def chunks(tensor: Tensor) -> Iterator[Tensor]:
    yield from torch.split(tensor.detach().reshape(-1), CHUNK)


def raw(chunk: Tensor) -> memoryview:
    """The bytes of a contiguous tensor, not copied."""
    return chunk.view(torch.uint8).numpy().data


def size(readings: Mapping[str, Reading]) -> int:
    """Bytes of all that is hashed."""
    return sum(tensor.nbytes for reading in readings.values() for tensor in reading.tensors.values())
