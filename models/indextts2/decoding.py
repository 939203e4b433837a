"""From a prefix to codes: many rows in lockstep, or one row with the reference's beams.

Letters: B rows, N codes, V codes with start and stop among them, S the most steps of any row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor

from models.indextts2.beams import Beams
from models.indextts2.config import GPTConfig
from models.indextts2.gpt import GPT, Prefix
from models.indextts2.sampling import Sampling, candidates, choose, penalise, seen_at_start, spread

BLOCK = 64
"""Uniform numbers that a row draws at once, so that its numbers do not depend on how many are needed."""
SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Rows that a batch may shrink to on a GPU: few sizes, so that each can have its captured graph."""
BUCKET = 64
"""Positions by which a GPU's attention gets longer, for the same reason."""


@dataclass(frozen=True)
class Decoded:
    """codes (N,) int64 on the CPU, without the stop code. `stopped`: by itself, not at its limit."""

    codes: Tensor
    stopped: bool


@dataclass(frozen=True)
class Draws:
    """Where random numbers come from: generators on the CPU, so that every device draws the same."""

    generators: tuple[Generator, ...]
    replay: bool

    @classmethod
    def seeded(cls, seeds: Sequence[int]) -> Self:
        """One generator for each row: what a row draws does not depend on who shares its batch."""
        return cls(tuple(torch.Generator().manual_seed(seed) for seed in seeds), replay=False)

    @classmethod
    def replayed(cls, generator: Generator) -> Self:
        """The reference's numbers in its order, a multinomial over all codes at each step. For one row."""
        return cls((generator,), replay=True)

    def uniforms(self, steps: int) -> Tensor:
        """(B, steps or a little more) float32 in [0, 1): step k of a row uses its k-th number."""
        blocks = -(-steps // BLOCK)
        return torch.stack(
            [torch.cat([torch.rand(BLOCK, generator=g) for _ in range(blocks)]) for g in self.generators]
        )


@dataclass(frozen=True)
class Pace:
    """How often, in steps, the host looks who has stopped, and the shapes a batch may take.

    `sizes` in rows, to which it may shrink; `bucket` in positions, by which attention gets longer.
    """

    every: int
    sizes: tuple[int, ...]
    bucket: int = 1

    @classmethod
    def of(cls, device: torch.device, rows: int) -> Self:
        """A CPU waits for nothing and pays for every row; a GPU pays for looking and for new shapes."""
        if device.type == "cpu":
            return cls(1, tuple(range(1, rows + 1)))
        return cls(8, SIZES, BUCKET)

    def size(self, alive: int, rows: int) -> int:
        """The rows to go on with when `alive` of `rows` are at work."""
        return min((size for size in self.sizes if alive <= size < rows), default=rows)


@torch.inference_mode()
def generate(
    gpt: GPT,
    prefix: Prefix,
    sampling: Sampling,
    most: Sequence[int],
    draws: Draws,
    pace: Pace | None = None,
) -> list[Decoded]:
    """Speak each row of `prefix` until it stops or has `most` codes.

    What a row says depends on its own prefix, limit and generator (float32; in half precision another
    batch may move the last bit of a logit, and with it all that follows). With beams there is one row.
    """
    rows = len(prefix.embeds)
    if len(most) != rows or min(most) < 1:
        raise ValueError(f"{rows} rows and the limits {list(most)}")
    if rows > 1 and sampling.num_beams > 1:
        raise ValueError(f"{rows} rows with {sampling.num_beams} beams each")
    if len(draws.generators) != rows and not (sampling.greedy and draws.replay):
        raise ValueError(f"{rows} rows and {len(draws.generators)} generators")
    if sampling.num_beams > 1:
        return [_search(gpt, prefix, sampling, most[0], draws.generators[0])]
    batch = _Batch(gpt.config, sampling, draws, max(most), prefix.embeds)
    said = _lockstep(gpt, prefix, batch, most, pace or Pace.of(prefix.embeds.device, rows)).cpu()
    return [_cut(row[:limit], gpt.config.stop_mel) for row, limit in zip(said, most, strict=True)]


def _lockstep(gpt: GPT, prefix: Prefix, batch: "_Batch", most: Sequence[int], pace: Pace) -> Tensor:
    """-> (B, S); whatever follows a row's stop or limit means nothing.

    All rows are at the same step. Those that have ended go on speaking until the batch shrinks, behind
    their own end; nothing is read from the device but who has stopped.
    """
    steps = max(most)
    said = torch.zeros(len(most), steps, dtype=torch.int64, device=prefix.embeds.device)
    alive = set(range(len(most)))
    hidden, cache = gpt.start(prefix, steps, pace.bucket)
    for k in range(steps):
        codes = batch.choose(gpt.logits(hidden), k)  # (b,)
        said[batch.place, k] = codes
        alive = {row for row in alive if most[row] > k + 1}
        if (k + 1) % pace.every == 0:
            latest = said[:, k + 1 - pace.every : k + 1]
            stopped = (latest == gpt.config.stop_mel).any(-1).tolist()
            alive = {row for row in alive if not stopped[row]}
        if not alive:
            break
        if (size := pace.size(len(alive), len(batch.rows))) < len(batch.rows):
            kept = batch.keep(alive, size)  # (size,)
            cache.keep(kept)
            codes = codes[kept.to(codes.device)]
        hidden = gpt.step(codes, k, cache)
    return said


class _Batch:
    """The rows that are still in the batch, b of B: which they are, what they have said and will draw."""

    def __init__(self, config: GPTConfig, sampling: Sampling, draws: Draws, steps: int, like: Tensor) -> None:
        """`like`: a tensor of the whole batch, for its rows and device."""
        self.config, self.sampling, self.draws = config, sampling, draws
        self.rows = list(range(len(like)))
        self.place = torch.arange(len(like), device=like.device)  # (b,), the same as `rows`
        self.seen = seen_at_start(len(like), config, like.device)  # (b, V)
        self.uniforms = None if draws.replay else draws.uniforms(steps).to(like.device)  # (B, S)

    def choose(self, logits: Tensor, k: int) -> Tensor:
        """logits (b, V) at step `k` -> codes (b,)"""
        if self.uniforms is None:
            codes = self._as_the_reference(logits)
        else:
            uniform = self.uniforms[self.place, k]  # (b,)
            codes = choose(logits, self.seen, uniform, self.sampling, never=self.config.start_mel)
        self.seen.scatter_(1, codes[:, None], True)
        return codes

    def keep(self, alive: set[int], size: int) -> Tensor:
        """-> where the `size` rows that go on were (size,), on the CPU: all that are alive, each in its
        place where it can (its cache need not be moved), and as many that have ended as are missing."""
        behind = [i for i, row in enumerate(self.rows) if i >= size and row in alive]
        kept = [i if self.rows[i] in alive or not behind else behind.pop() for i in range(size)]
        self.rows = [self.rows[i] for i in kept]
        index = torch.tensor(kept)
        self.place, self.seen = (each[index.to(each.device)] for each in (self.place, self.seen))
        return index

    def _as_the_reference(self, logits: Tensor) -> Tensor:
        scores = penalise(logits, self.seen, self.sampling.repetition_penalty)
        if self.sampling.greedy:
            return scores.argmax(-1)
        shares = spread(*candidates(scores, self.sampling), scores.shape[-1]).softmax(-1)  # (1, V)
        drawn = torch.multinomial(shares.cpu(), 1, generator=self.draws.generators[0])
        return drawn[0].to(logits.device)


def _search(gpt: GPT, prefix: Prefix, sampling: Sampling, most: int, generator: Generator) -> Decoded:
    """The reference's search, for the one row of `prefix`."""
    rows, device = sampling.num_beams, prefix.embeds.device
    beams = Beams(sampling, gpt.config, most, generator)
    hidden, cache = gpt.start(
        Prefix(prefix.embeds.expand(rows, -1, -1), prefix.padding.expand(rows)),  # (G, P, D), (G,)
        most,
    )
    k = 0
    while going := beams.advance(gpt.logits(hidden).cpu()):
        came_from, codes = (each.to(device) for each in going)  # (G,), (G,)
        cache.keep(came_from)
        hidden = gpt.step(codes, k, cache)
        k += 1
    return Decoded(torch.tensor(beams.best.codes, dtype=torch.int64), beams.best.stopped)


def _cut(codes: Tensor, stop: int) -> Decoded:
    stops = (codes == stop).nonzero()
    return Decoded(codes[: int(stops[0])].clone(), True) if len(stops) else Decoded(codes.clone(), False)
