"""Flow matching: Euler's steps from noise to mel, for rows of any lengths at once.

Letters: B rows, T mel frames, F frames of all streams, G target frames of all rows, M mel bands,
C content_dim, S style_dim, D hidden_dim.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.indextts2.config import DiTConfig, WaveNetConfig
from models.indextts2.dit import DiT, inner_width
from models.indextts2.packed import PackedDiT, Times
from models.indextts2.streams import Layout, Row, Stream

FIVE_SECONDS = 430
"""Whole mel frames in five seconds of 22 050 Hz, hop 256."""
BUDGET = 4096
"""Frames of all streams that are in hand at once where nobody says otherwise."""


@dataclass(frozen=True)
class Schedule:
    """The way from noise (time 0) to mel (time 1).

    `prompt` is how many frames of its prompt a target may look at: the last ones (None: all). There it goes
    on, and as rotary positions tell distances alone, frames that are kept are where they were.
    `null_prompt` False: the branch without voice and text has no prompt, which would hold nothing but zeros.
    """

    times: tuple[float, ...]
    guidance: float = 0.7
    prompt: int | None = None
    null_prompt: bool = True

    def steps(self) -> tuple[tuple[float, float], ...]:
        """Each step's time and width in float32. Times are sums of widths, as the reference has them."""
        times = torch.tensor(self.times, dtype=torch.float32)
        steps, time = [], times[0]
        for following in times[1:]:
            width = following - time
            steps.append((time.item(), width.item()))
            time = time + width
        return tuple(steps)

    def kept(self, prompt: int) -> int:
        return prompt if self.prompt is None else min(prompt, self.prompt)

    def streams(self, prompts: Sequence[int], targets: Sequence[int]) -> list[Stream]:
        """The streams of rows with as many frames."""
        streams = []
        for row, (prompt, target) in enumerate(zip(prompts, targets, strict=True)):
            streams.append(Stream(row, prompt, target, guided=True))
            if self.guidance:
                streams.append(Stream(row, prompt if self.null_prompt else 0, target, guided=False))
        return streams


def uniform(steps: int) -> tuple[float, ...]:
    return tuple(torch.linspace(0, 1, steps + 1).tolist())


def swayed(places: Sequence[float]) -> tuple[float, ...]:
    """`places` (0…1) moved towards the noise: sway sampling, coefficient -1 (F5-TTS, arXiv 2410.06885)."""
    return tuple(1 - math.cos(math.pi / 2 * place) for place in places)


# Empirically pruned step sampling (arXiv 2505.19931) walks 0 2 4 6 8 16 24 32 of 32, swayed: short steps near
# the noise, where the way bends. Its three long steps are halved here.
PRUNED = tuple(place / 32 for place in (0, 2, 4, 6, 8, 12, 16, 20, 24, 28, 32))

SCHEDULES: Mapping[str, Schedule] = {
    "exact": Schedule(uniform(25)),
    "fast": Schedule(uniform(12), prompt=FIVE_SECONDS),
    "draft": Schedule(swayed(PRUNED), prompt=FIVE_SECONDS, null_prompt=False),
}


def sample(
    dit: DiT,
    mu: Tensor,
    prompt_mel: Tensor,
    n_prompt: Tensor,
    lengths: Tensor,
    style: Tensor,
    noise: Tensor,
    schedule: Schedule,
) -> Tensor:
    """`Sampler(dit, schedule)`, for one call."""
    return Sampler(dit, schedule)(mu, prompt_mel, n_prompt, lengths, style, noise)


class Sampler:
    """Keeps what all rows have in common: the net, arranged, and what the steps' times decide.

    Samplers of one net share `net`: `Sampler(other.net, schedule)`.
    """

    @torch.inference_mode()
    def __init__(self, net: DiT | PackedDiT, schedule: Schedule) -> None:
        self.schedule = schedule
        self.net = net if isinstance(net, PackedDiT) else PackedDiT(net)
        times, widths = torch.tensor(schedule.steps(), device=self.net.device).unbind(1)
        self.times, self.widths = self.net.times(times), widths

    @torch.inference_mode()
    def __call__(
        self,
        mu: Tensor,
        prompt_mel: Tensor,
        n_prompt: Tensor,
        lengths: Tensor,
        style: Tensor,
        noise: Tensor,
        budget: int = BUDGET,
    ) -> Tensor:
        """mu (B, T, C), prompt_mel (B, M, Tp), style (B, S), noise (B, M, T) -> mel (B, M, T), float32

        A row is the n_prompt (B,) frames of its prompt and then its target's, up to lengths (B,); prompts and
        padding are 0 in the answer. Only targets' noise is looked at. Each row is what it is alone. `budget`:
        frames of all streams that are in hand at once (see `activation_bytes`); a longer row is alone.
        """
        prompts, ends = n_prompt.tolist(), lengths.tolist()
        starts = [prompt - self.schedule.kept(prompt) for prompt in prompts]
        frames = [
            sum(s.frames for s in self.schedule.streams([prompt - start], [end - prompt]))
            for start, prompt, end in zip(starts, prompts, ends, strict=True)
        ]
        mel = torch.zeros_like(noise, dtype=torch.float32)
        for members in batches(frames, budget):
            rows = [
                Row(mu[i, starts[i] : ends[i]], prompt_mel[i, :, starts[i] : prompts[i]].mT, style[i])
                for i in members
            ]
            x = torch.cat([noise[i, :, prompts[i] : ends[i]] for i in members], 1).mT.float()  # (G, M)
            targets = torch.split(self._walk(rows, x).mT, [ends[i] - prompts[i] for i in members], 1)
            for i, target in zip(members, targets, strict=True):
                mel[i, :, prompts[i] : ends[i]] = target
        return mel

    def _walk(self, rows: Sequence[Row], x: Tensor) -> Tensor:
        """x (G, M) noise -> (G, M) mel"""
        prompts = [len(row.mel) for row in rows]
        streams = self.schedule.streams(prompts, [len(row.mu) - len(row.mel) for row in rows])
        layout = Layout(streams, self.net.dit, self.net.device)
        given = self.net.given(rows, layout)  # (F, D)
        for k, width in enumerate(self.widths):
            x = self.step(x, given, self.times.at(k), width, layout)
        return x

    def step(self, x: Tensor, given: Tensor, times: Times, width: Tensor, layout: Layout) -> Tensor:
        """x (G, M) float32, given (F, D), a line of times, width () -> x, `width` later"""
        velocity = self.net.velocity(x, given, times, layout)  # (2G, M), or (G, M) without guidance
        if guidance := self.schedule.guidance:
            guided, null = velocity.chunk(2)
            velocity = (1 + guidance) * guided - guidance * null
        return x + width * velocity


def batches(frames: Sequence[int], budget: int) -> list[list[int]]:
    """Numbers of rows of so many `frames`, longest first, in batches of at most `budget` or of one row."""
    made: list[list[int]] = []
    room = 0
    for row in sorted(range(len(frames)), key=lambda i: -frames[i]):
        if not made or frames[row] > room:
            made.append([])
            room = budget
        made[-1].append(row)
        room -= frames[row]
    return made


def activation_bytes(config: DiTConfig, frames: int, itemsize: int) -> int:
    """The most that a step holds at once for `frames` of all streams, the tensors given to it not counted.

    `itemsize` is the net's, in bytes. Two rows of 1 000 frames with guidance are 4 000 frames.
    """
    width, heads = config.hidden_dim, config.hidden_dim // config.num_heads
    # What steps have in common, h as it came, is and becomes, the first half's; x.
    kept = itemsize * (width * (4 + config.depth // 2) + config.in_channels)
    feed_forward = itemsize * 3 * inner_width(width)
    # In half precision most when queries and keys are turned, which is done in float32.
    attention = width * (28 if itemsize < 4 else 32)
    return frames * (kept + max(feed_forward, attention) + 4 * heads + 64)


def arranged_bytes(config: DiTConfig, wavenet: WaveNetConfig, itemsize: int) -> int:
    """What a Sampler keeps beside the DiT's own weights, but for a table of some 10 MB."""
    width, waves = config.hidden_dim, wavenet.hidden_dim
    blocks = config.depth * 2 * inner_width(width) * width + config.depth // 2 * 2 * width * width
    convolutions = wavenet.num_layers * 2 * waves * waves * wavenet.kernel_size
    ends = 2 * waves * (width + config.in_channels) + (width + waves) * config.in_channels
    return itemsize * (blocks + convolutions + ends)
