"""Each stage by itself, at the lengths of SPEC.md 10 and 11: language model, flow matching, vocoder.

Letters: B rows, D width of the GPT, M mel bands.
"""

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from models.bench.figures import Figure
from models.bench.yardsticks import Yardsticks, quickest
from models.indextts2.cfm import Schedule
from models.indextts2.config import Config
from models.indextts2.decoding import Draws
from models.indextts2.dit import DiT
from models.indextts2.drawn import voice
from models.indextts2.pipeline import Line, Pipeline
from models.indextts2.presets import PRESETS
from models.indextts2.sampling import Sampling

IDS = 40
"""Of text: the prefix is 77 positions long."""
FEW, MANY = 4, 44
"""Codes of two calls. What lies between them is decoding alone, without the prefix."""
PROMPT, FRAMES, CODES = 430, 345, 200
"""Five seconds of a voice and four of speech."""
TIMES_BATCH_1, OF_BANDWIDTH, OF_PRODUCTS, VOCODER_S = 6.0, 0.45, 0.7, 1.1
"""Bars, for float32 on a processor; the last for one like SPEC.md 11's (199 GFLOP/s, 36 GB/s)."""


@dataclass(frozen=True)
class Bench:
    """What is measured, and how: `repeats` of which the quickest counts.

    `small`: the nets are, so that there are no bars, and lengths are a tenth.
    """

    pipeline: Pipeline
    yardsticks: Yardsticks
    dtype: torch.dtype
    batches: tuple[int, ...]
    repeats: int
    small: bool = False

    @property
    def device(self) -> torch.device:
        return self.pipeline.device

    def bar(self, value: float) -> float | None:
        """`value`, where it is meant: at the official dimensions, in float32 on a processor."""
        meant = not self.small and self.device.type == "cpu" and self.dtype == torch.float32
        return value if meant else None

    def long(self, length: int) -> int:
        return max(1, length // 10) if self.small else length

    def audio_s(self, frames: int) -> float:
        mel = self.pipeline.config.mel
        return frames * mel.hop_length / mel.sample_rate


def lines(pipeline: Pipeline, ids: Sequence[int], prompt: int) -> list[Line]:
    """Of texts of so many `ids`, in one voice."""
    config = pipeline.config
    speaker = voice(config, prompt)
    generator = torch.Generator().manual_seed(1)
    return [
        Line(torch.randint(2, config.gpt.number_text_tokens, (n,), generator=generator), speaker, speaker.own)
        for n in ids
    ]


def ar(bench: Bench) -> list[Figure]:
    """Rows (codes) a second, sampled as every preset does, from the difference of two lengths."""
    figures: list[Figure] = []
    alone = 0.0
    for rows in bench.batches:
        step_s = _step_s(bench, rows)
        rate = rows / step_s
        figures.append(Figure(f"AR, batch {rows}", rate, "rows/s", said=f"{step_s * 1e3:.1f} ms a step"))
        share = _read_by_a_step(bench, rows) / step_s / bench.yardsticks.read
        bar = bench.bar(OF_BANDWIDTH) if rows == 1 else None
        figures.append(Figure(f"AR, batch {rows}: of the bandwidth bound", share, least=bar))
        if rows == 1:
            alone = rate
        elif alone:
            bar = bench.bar(TIMES_BATCH_1) if rows == 16 else None
            figures.append(Figure(f"AR, batch {rows} over batch 1", rate / alone, "×", least=bar))
    return figures


def _step_s(bench: Bench, rows: int) -> float:
    batch = lines(bench.pipeline, [IDS] * rows, bench.long(PROMPT))

    def decode(codes: int) -> None:
        draws = Draws.seeded(range(rows))
        bench.pipeline.codes(batch, Sampling(), [codes] * rows, draws)

    decode(FEW)  # not the first call of these shapes
    few, many = (quickest(partial(decode, codes), bench.repeats, bench.device) for codes in (FEW, MANY))
    return max(many - few, 1e-9) / (MANY - FEW)


def _read_by_a_step(bench: Bench, rows: int) -> float:
    """Bytes: all that a step multiplies by, and the keys and values before it, half way."""
    gpt = bench.pipeline.gpt
    nets = (gpt.gpt, gpt.final_norm, gpt.mel_head)
    weights = sum(parameter.numel() for net in nets for parameter in net.parameters())
    length = gpt.config.latents + 2 + IDS + 2 + 1 + (FEW + MANY) / 2
    cached = 2 * gpt.config.layers * gpt.config.model_dim * length
    return (weights + rows * cached) * bench.dtype.itemsize


def cfm(bench: Bench) -> list[Figure]:
    """One line of four seconds behind a prompt of five, with every preset's steps."""
    pipeline, prompt, frames = bench.pipeline, bench.long(PROMPT), bench.long(FRAMES)
    [line] = lines(pipeline, [IDS], prompt)
    contents = torch.randn(bench.long(CODES), pipeline.config.regulator.in_channels, device=pipeline.device)
    noise = torch.randn(pipeline.config.mel.n_mels, prompt + frames)

    def walk(schedule: Schedule) -> None:
        pipeline.mels([line], [contents], [frames], [noise], schedule)

    figures: list[Figure] = []
    for name, preset in PRESETS.items():
        steps, audio_s = len(preset.schedule.steps()), bench.audio_s(frames)
        walk(preset.schedule)  # not the first call of these shapes
        took = quickest(partial(walk, preset.schedule), bench.repeats, bench.device)
        said = f"{took:.1f} s for {audio_s:.1f} s in {steps} steps"
        figures.append(Figure(f"CFM, {name}", took / audio_s, "s/s", said=said))
        if name == "exact":
            counted = flops(pipeline.config, prompt + frames, steps)
            share = counted / took / bench.yardsticks.multiplied
            said = f"{counted / 1e12:.2f} TFLOP as SPEC.md 10 counts them"
            bar = bench.bar(OF_PRODUCTS)
            figures.append(Figure(f"CFM, {name}: of the matrix product's rate", share, least=bar, said=said))
    return figures


def flops(config: Config, frames: int, steps: int) -> float:
    """Of both branches: what is multiplied for each frame, and each frame's look at all others."""
    with torch.device("meta"):
        dit = DiT(config.dit, config.wavenet)
    of_time = ("t_embedder", "project_layer", "cond_layer", "adaLN_modulation")
    weights = sum(
        tensor.numel()
        for key, tensor in dit.state_dict().items()
        if tensor.dim() > 1 and not any(name in key for name in of_time)
    )
    attention = 4 * config.dit.depth * config.dit.hidden_dim * frames
    return float(2 * steps * frames * (2 * weights + attention))


def vocoder(bench: Bench) -> list[Figure]:
    """One mel of four seconds."""
    frames = bench.long(FRAMES)
    mel = torch.randn(bench.pipeline.config.mel.n_mels, frames, device=bench.device)
    bench.pipeline.waves([mel])  # not the first call of this shape
    took = quickest(lambda: bench.pipeline.waves([mel]), bench.repeats, bench.device)
    audio_s, bar = bench.audio_s(frames), bench.bar(VOCODER_S)
    said = f"{took:.1f} s for {audio_s:.1f} s"
    return [Figure("vocoder", took / audio_s, "s/s", most=bar, said=said)]


def memory(device: torch.device) -> list[Figure]:
    """The most that was held so far."""
    figures = [Figure("peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "GiB")]
    if device.type == "cuda":
        held = torch.cuda.max_memory_reserved(device)
        figures.append(Figure("peak memory on the card", held / 2**30, "GiB"))
    return figures
