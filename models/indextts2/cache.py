"""The keys and values of the rows that are being decoded, in memory that never grows.

Letters: B rows, H heads, S slots, E width of a head.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.indextts2.config import GPTConfig

ALIGNED = 8
"""Slots come in multiples of this: a GPU's attention kernels want a mask's rows aligned."""


class Cache:
    """keys, values (layers, rows at the start, H, S, E); the rows at work are the first `len(padding)`.

    All rows have `length` slots filled, the shorter ones' first `padding` (B,) with what is masked out.
    With a `bucket` attention runs over whole buckets of slots, so that it has few shapes; the slots that are
    not yet filled are then masked.
    """

    def __init__(
        self,
        config: GPTConfig,
        padding: Tensor,
        length: int,
        slots: int,
        *,
        dtype: torch.dtype,
        bucket: int = 1,
    ) -> None:
        """`padding` says the device; `slots` is how many positions there may be in the end, `length` how many
        are about to be written."""
        device = padding.device
        self.length = length
        self.bucket = bucket
        self.padding = padding
        self.slot = torch.zeros(1, dtype=torch.int64, device=device)
        self.position = torch.zeros(1, dtype=torch.int64, device=device)
        shape = cache_shape(config, len(padding), slots, bucket)
        # Zeros: what is masked out must still be finite.
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.mask: Tensor | None = None  # (rows at the start, 1, 1, S), 0 or -inf
        if bucket > 1 or bool(padding.any()):
            place = torch.arange(shape[3], device=device)
            hidden = (place < padding[:, None]) | (place >= length)  # (B, S)
            self.mask = torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, -torch.inf)
            self.mask = self.mask[:, None, None]

    def grow(self) -> int:
        """Take the next slot -> how many slots to attend to. Raises IndexError: there is none left."""
        if self.length == self.keys.shape[3]:
            raise IndexError(f"all {self.length} slots of the cache are filled")
        self.slot.fill_(self.length)
        self.length += 1
        return _rounded(self.length, self.bucket)

    def write(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """keys, values (B, H, P, E) of the prefix."""
        self.keys[layer, :, :, : keys.shape[2]] = keys
        self.values[layer, :, :, : keys.shape[2]] = values

    def append(self, layer: int, key: Tensor, value: Tensor) -> None:
        """key, value (B, H, 1, E) of the slot taken last."""
        rows = len(key)
        self.keys[layer, :rows].index_copy_(2, self.slot, key)
        self.values[layer, :rows].index_copy_(2, self.slot, value)
        if self.mask is not None and layer == 0:
            self.mask.index_fill_(3, self.slot, 0)

    def attend(self, layer: int, query: Tensor, attended: int) -> Tensor:
        """query (B, H, 1, E) -> (B, H, 1, E), over the first `attended` slots"""
        rows = len(query)
        keys = self.keys[layer, :rows, :, :attended]  # (B, H, T, E)
        values = self.values[layer, :rows, :, :attended]
        mask = None if self.mask is None else self.mask[:rows, ..., :attended]  # (B, 1, 1, T)
        if query.device.type != "cpu":
            return F.scaled_dot_product_attention(query, keys, values, mask)
        # For one query a CPU's fused kernel takes 1.4 (float32) to 3.6 times (bfloat16) as long as two
        # products that go through keys and values as they lie.
        scores = (keys @ (query * query.shape[-1] ** -0.5).transpose(-1, -2)).transpose(-1, -2).float()
        if mask is not None:
            scores = scores + mask
        shares: Tensor = scores.softmax(-1).to(values.dtype)
        return shares @ values

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows (B',) int64 in this order, B' <= the rows at the start; one may be taken
        several times. Rows that stay where they are cost nothing, the others one layer's memory at a time."""
        chosen = rows.tolist()
        moved = [place for place, row in enumerate(chosen) if place != row]
        if moved:
            to = torch.tensor(moved, device=self.keys.device)
            source = torch.tensor([chosen[place] for place in moved], device=self.keys.device)
            for held in (*self.keys, *self.values):
                filled = held[:, :, : self.length]
                filled[to] = filled[source]
            if self.mask is not None:
                self.mask[to] = self.mask[source]
        self.padding = self.padding[rows.to(self.padding.device)]


def cache_shape(config: GPTConfig, rows: int, slots: int, bucket: int = 1) -> tuple[int, int, int, int, int]:
    """(layers, B, H, S, E) of keys, and of values"""
    slots = _rounded(_rounded(slots, ALIGNED), bucket)
    return config.layers, rows, config.heads, slots, config.model_dim // config.heads


def cache_bytes(config: GPTConfig, rows: int, slots: int, dtype: torch.dtype, bucket: int = 1) -> int:
    """What a Cache of `rows` takes that holds `slots` positions: the prefix's and the codes'."""
    layers, _, heads, slots, width = cache_shape(config, rows, slots, bucket)
    return rows * slots * (2 * layers * heads * width + 1) * dtype.itemsize


def _rounded(count: int, step: int) -> int:
    return -(-count // step) * step
