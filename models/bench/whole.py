"""Whole batches, from text ids to samples on the host: audio seconds for each second of the device.

The work is that of PERFORMANCE.md 12: 64 segments of some 325 codes, in the order of a book, behind a prompt
of ten seconds; nets and voice are loaded, and the first call of each shape is not counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from models.bench.figures import Figure
from models.bench.stages import Bench, lines
from models.bench.yardsticks import once, quickest
from models.indextts2.decoding import Draws
from models.indextts2.guards import CODES_PER_S, expected_s
from models.indextts2.pipeline import Line
from models.indextts2.presets import PRESETS, Preset
from models.indextts2.regulator import n_frames

SEGMENTS = 64
CODES, SPREAD, MOST = 325, 0.13, 512
IDS = (20, 60)
PROMPT = 861
REALTIME = 60.0
"""Bar for the `exact` preset on an H200, in batches of 32 at least."""
CAP_GIB, CAPPED_ROWS = 12, 32
CAPPED_CODES = round(CODES_PER_S * expected_s("好" * 100))
"""Of a segment of 100 characters: 22 s, if they are Chinese."""
SNR_DB = {torch.float32: 40.0}
HALF_SNR_DB = 25.0
"""Of fused against eager samples, at least (PERFORMANCE.md 12)."""


@dataclass(frozen=True)
class Work:
    """A line, and how many codes it has."""

    line: Line
    codes: int


def book(bench: Bench, segments: int = SEGMENTS) -> list[Work]:
    """Always the same ones."""
    generator = torch.Generator().manual_seed(12)
    ids = torch.randint(*IDS, (segments,), generator=generator).tolist()
    drawn = CODES * (1 + SPREAD * torch.randn(segments, generator=generator))
    counts = drawn.round().clamp(1, MOST).int().tolist()
    spoken = lines(bench.pipeline, ids, bench.long(PROMPT))
    return [Work(line, bench.long(count)) for line, count in zip(spoken, counts, strict=True)]


def speak(bench: Bench, works: Sequence[Work], preset: Preset) -> float:
    """One batch -> its audio in seconds."""
    pipeline = bench.pipeline
    spoken, most = [work.line for work in works], [work.codes for work in works]
    decoded = pipeline.codes(spoken, preset.sampling, most, Draws.seeded(range(len(works))))
    codes = [said.codes for said in decoded]
    frames = [n_frames(len(said)) for said in codes]
    bands, prompt = spoken[0].voice.mel.shape
    noise = [torch.randn(bands, prompt + count) for count in frames]
    contents = pipeline.contents(spoken, codes)
    waves = pipeline.waves(pipeline.mels(spoken, contents, frames, noise, preset.schedule))
    return sum(len(wave) for wave in waves) / pipeline.config.mel.sample_rate


def end(bench: Bench) -> Iterator[Figure]:
    """Every preset with every batch. Of small batches as many as give a mean; on a processor one."""
    works = book(bench)
    for name, preset in PRESETS.items():
        for rows in bench.batches:
            some = works[: rows if bench.device.type == "cpu" else max(8, 4 * rows)]
            batches = [some[at : at + rows] for at in range(0, len(some), rows)]
            speak(bench, batches[0], preset)  # not the first call of these shapes
            yield _realtime(bench, f"{name}, batch {rows}", batches, preset, _bar(bench, name, rows))


def _bar(bench: Bench, preset: str, rows: int) -> float | None:
    if bench.device.type != "cuda" or "H200" not in torch.cuda.get_device_name(bench.device):
        return None
    return REALTIME if preset == "exact" and rows >= 32 and bench.dtype != torch.float32 else None


def _realtime(
    bench: Bench, name: str, batches: Sequence[Sequence[Work]], preset: Preset, bar: float | None
) -> Figure:
    """The quickest of the repeats, and what its stages took."""
    _forget_peak(bench.device)
    runs = [_run(bench, batches, preset) for _ in range(bench.repeats)]
    took, audio_s, spent = min(runs, key=lambda run: run[0])
    split = ", ".join(f"{stage} {seconds / took:.0%}" for stage, seconds in spent.items())
    said = f"{audio_s:.0f} s in {took:.1f} s: {split}{_peak(bench.device)}"
    return Figure(name, audio_s / took, "× realtime", least=bar, said=said)


def _run(
    bench: Bench, batches: Sequence[Sequence[Work]], preset: Preset
) -> tuple[float, float, dict[str, float]]:
    """-> seconds, audio seconds, seconds by stage"""
    before = dict(bench.pipeline.spent)
    heard: list[float] = []
    took = once(lambda: heard.extend(speak(bench, batch, preset) for batch in batches), bench.device)
    spent = {stage: seconds - before[stage] for stage, seconds in bench.pipeline.spent.items()}
    return took, sum(heard), spent


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> str:
    if device.type != "cuda":
        return ""
    return f"; {torch.cuda.max_memory_reserved(device) / 2**30:.1f} GiB"


def capped(bench: Bench) -> Iterator[Figure]:
    """A batch of long segments in the memory of a common card. Only on a GPU."""
    total = torch.cuda.get_device_properties(bench.device).total_memory
    works = [Work(work.line, CAPPED_CODES) for work in book(bench, CAPPED_ROWS)]
    _forget_peak(bench.device)
    torch.cuda.set_per_process_memory_fraction(min(1.0, CAP_GIB * 2**30 / total), bench.device)
    try:
        audio_s = speak(bench, works, PRESETS["exact"])
        fits, said = 1.0, f"{audio_s:.0f} s of audio"
    except torch.OutOfMemoryError as e:
        fits, said = 0.0, str(e)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, bench.device)
    name = f"capped to {CAP_GIB} GiB, batch {CAPPED_ROWS}, {CAPPED_CODES} codes each"
    yield Figure(f"{name}: fits", fits, least=1.0, said=said)
    reserved = torch.cuda.max_memory_reserved(bench.device) / 2**30
    yield Figure(f"{name}: peak", reserved, "GiB", most=CAP_GIB)


@torch.inference_mode()
def fused(bench: Bench) -> Iterator[Figure]:
    """The vocoder with its activations compiled, against the eager one. Only on a GPU, where they are."""
    vocoder = bench.pipeline.vocoder
    mel = torch.randn(8, bench.pipeline.config.mel.n_mels, 512, device=bench.device)
    audio_s = bench.audio_s(8 * 512)
    eager = vocoder(mel)
    slow = quickest(lambda: vocoder(mel), bench.repeats, bench.device)
    vocoder.fuse()
    first = once(lambda: vocoder(mel), bench.device)
    quick = quickest(lambda: vocoder(mel), bench.repeats, bench.device)
    noise = vocoder(mel) - eager
    snr = 10 * torch.log10(eager.square().sum() / noise.square().sum().clamp(min=1e-30)).item()
    yield Figure("vocoder, eager", audio_s / slow, "× realtime")
    yield Figure("vocoder, fused", audio_s / quick, "× realtime", said=f"{first:.0f} s to compile")
    least = SNR_DB.get(bench.dtype, HALF_SNR_DB)
    yield Figure("fused against eager", snr, "dB", least=least)
