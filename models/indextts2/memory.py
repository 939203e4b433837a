"""How many lines go through the nets at once: what they take is foretold, and what did not fit is remembered.

Letters: B rows, P prefix positions, N codes, T mel frames, D width of the GPT, C content_dim.
"""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from models.indextts2.cache import cache_bytes
from models.indextts2.cfm import BUDGET, activation_bytes
from models.indextts2.config import Config
from models.indextts2.regulator import FRAMES_PER_CODE
from models.indextts2.vocoders.layers import Geometry

MOST = {"cpu": 16, "cuda": 64}
"""Rows beyond which a device is hardly any faster (PERFORMANCE.md 4)."""
SHARE = 0.85
"""Of what is free: kernels want room of their own, and memory is never without gaps."""
READ = 12
"""Widths D alive for each position as the language model reads: its input, q|k|v, four times D within."""
REGULATED = 8
"""Widths C alive for each frame, in float32, from the regulator to the flow matching."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Need:
    """Bytes: `fixed` whatever the rows, and for each row."""

    fixed: int
    row: int

    def rows(self, free: float) -> int:
        """How many fit; none where not even one does."""
        return max(0, int((free - self.fixed) // self.row))


def need(config: Config, vocoder: Geometry, dtype: torch.dtype, prefix: int, codes: int, chunk: int) -> Need:
    """What a batch takes beside the weights whose longest row has so many positions of prefix and codes.

    The stages follow each other and free what they took, so that the dearest decides.
    """
    width = config.gpt.model_dim
    frames = round(FRAMES_PER_CODE * codes) + MOST_PROMPT
    read = (prefix + codes) * READ * width * 4
    rows = max(
        cache_bytes(config.gpt, 1, prefix + codes, dtype) + prefix * READ * width * 4,
        read,
        frames * REGULATED * config.dit.content_dim * 4,
    )
    fixed = max(
        activation_bytes(config.dit, max(BUDGET, 2 * frames), dtype.itemsize),
        vocoder.bytes(1, chunk, dtype.itemsize),
    )
    return Need(fixed, rows)


MOST_PROMPT = 1292
"""Mel frames in the fifteen seconds that are heard of a recording."""


def free_bytes(device: torch.device) -> int:
    """What can still be taken on a device: of a card, with what this process holds and does not use."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + held
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class Room:
    """The rows of a batch. What once did not fit is kept in `path`: a new process need not learn it."""

    def __init__(self, device: torch.device, path: Path, most: int = 0) -> None:
        """`most` rows at once, if it is not 0."""
        self._device = device
        self._path = path
        self._name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        self.most = min(most or MOST.get(device.type, 1), self._remembered())

    def rows(self, needed: Need) -> int:
        """At least one: whether that fits is seen when it is tried."""
        return min(self.most, max(1, needed.rows(SHARE * free_bytes(self._device))))

    def did_not_fit(self, rows: int) -> bool:
        """Take half as many from now on; False when there was one alone."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if rows < 2:
            return False
        self.most = min(self.most, rows // 2)
        log.warning(
            "%d lines at once do not fit into %s's memory: %d from now on", rows, self._name, self.most
        )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps({self._name: self.most}))
        except OSError as e:
            log.warning("That could not be written down: %s", e)
        return True

    def _remembered(self) -> int:
        try:
            known = json.loads(self._path.read_text()).get(self._name)
        except (OSError, ValueError, AttributeError):
            known = None
        return known if isinstance(known, int) and known > 0 else max(MOST.values())
