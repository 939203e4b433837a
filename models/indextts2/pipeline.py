"""From lines to samples: language model, latents, flow matching, vocoder, each for a whole batch.

Letters: B lines, L text ids, N codes, P prompt frames, G target frames, T = P + G of the longest line, M mel
bands, C content_dim, D width of the GPT, I width of the contents.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from models.indextts2 import processor
from models.indextts2.cfm import BUDGET, Sampler, Schedule
from models.indextts2.checkpoint import DTYPES, Checkpoint
from models.indextts2.codec import Codec
from models.indextts2.decoding import Decoded, Draws, generate
from models.indextts2.dit import DiT
from models.indextts2.gpt import GPT
from models.indextts2.regulator import LengthRegulator, latent_projection
from models.indextts2.sampling import Sampling
from models.indextts2.vocoders.bigvgan import BigVGAN
from models.indextts2.vocoders.chunks import speak
from models.indextts2.vocoders.layers import Generator
from models.indextts2.vocoders.table import open_vocoder
from models.indextts2.voice import Voice

STAGES = ("codes", "latents", "mel", "wave")
CHUNK = 2048
"""Frames that go through the vocoder at a time, of all lines: 24 seconds."""

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class Line:
    """What is to be spoken: text ids (L,) int64, in a voice, with an emotion (D,)."""

    ids: Tensor
    voice: Voice
    emotion: Tensor


class Pipeline:
    """The nets that speak, on one device. A line's result does not depend on the others of its batch."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device | str = "cpu") -> None:
        """Raises Rejected: the checkpoint's tensors are not those of its config."""
        self.config = checkpoint.config
        self.device = torch.device(device)
        if self.device.type == "cpu":
            processor.bound()
        self.spent = dict.fromkeys(STAGES, 0.0)
        """Seconds since the pipeline was made, by stage."""
        self._checkpoint = checkpoint
        self.gpt = self._net("gpt", lambda: GPT(self.config.gpt))
        self.gpt.prepare()
        self._vectors = self._vectors_of_codes()
        self._projection = self._net(
            "latent_projection", lambda: latent_projection(self.config.gpt.model_dim)
        )
        self._regulator = self._net("regulator", lambda: LengthRegulator(self.config.regulator))
        self._dit = self._net("dit", lambda: DiT(self.config.dit, self.config.wavenet))
        self._samplers: dict[Schedule, Sampler] = {}
        self._dtype = DTYPES[checkpoint.precision]
        self._vocoders: dict[str, Generator] = {}
        self.vocoder = self._net("bigvgan", lambda: BigVGAN(checkpoint.bigvgan))

    def codes(
        self, lines: Sequence[Line], sampling: Sampling, most: Sequence[int], draws: Draws
    ) -> list[Decoded]:
        """Codes (N,) of each line, `most` of them at most. Raises Rejected: a text is too long."""
        with self._timed("codes"):
            conditioning, emotions = self._given(lines)
            prefix = self.gpt.prefix(conditioning, emotions, [line.ids for line in lines])
            return generate(self.gpt, prefix, sampling, most, draws)

    @torch.inference_mode()
    def contents(self, lines: Sequence[Line], codes: Sequence[Tensor]) -> list[Tensor]:
        """What is said, for each code (N, I): its vector, and what the language model knew as it said it."""
        with self._timed("latents"):
            conditioning, emotions = self._given(lines)
            latents = self.gpt.latents(conditioning, emotions, [line.ids for line in lines], codes)
            return [
                self._vectors[said.to(self.device)] + self._projection(latent)
                for said, latent in zip(codes, latents, strict=True)
            ]

    @torch.inference_mode()
    def mels(
        self,
        lines: Sequence[Line],
        contents: Sequence[Tensor],
        frames: Sequence[int],
        noise: Sequence[Tensor],
        schedule: Schedule,
        budget: int = BUDGET,
    ) -> list[Tensor]:
        """contents (N, I) of each line, spread over so many `frames` G, noise (M, P + G) -> mel (M, G) each

        `budget`: see Sampler.
        """
        with self._timed("mel"):
            conditions = self._regulated(contents, frames)  # (G, C) each
            voices = [line.voice for line in lines]
            prompts = [voice.mel.shape[-1] for voice in voices]
            mu = [
                torch.cat([voice.condition.to(self.device), condition])  # (P + G, C)
                for voice, condition in zip(voices, conditions, strict=True)
            ]
            mel = self._sampler(schedule)(
                pad_sequence(mu, batch_first=True),  # (B, T, C)
                padded([voice.mel for voice in voices]).to(self.device),  # (B, M, P)
                torch.tensor(prompts),
                torch.tensor([len(row) for row in mu]),
                torch.stack([voice.style for voice in voices]).to(self.device),
                padded(noise).to(self.device),  # (B, M, T)
                budget,
            )
            return [
                row[:, prompt : prompt + count]
                for row, prompt, count in zip(mel, prompts, frames, strict=True)
            ]

    @torch.inference_mode()
    def waves(self, mels: Sequence[Tensor], preset: str = "", chunk: int = CHUNK) -> list[Tensor]:
        """mel (M, G) each -> samples (hop * G,) in [-1, 1], float32 on the CPU, by the preset's vocoder"""
        with self._timed("wave"):
            vocoder = self._vocoders.get(preset, self.vocoder)
            return [samples.cpu() for samples in speak(vocoder, mels, chunk)]

    def take(self, preset: str, name: str, directory: str) -> str:
        """Give a preset another vocoder than the checkpoint's -> what tells takes with it from others.

        Raises Rejected, as open_vocoder does.
        """
        made = open_vocoder(name, Path(directory), self.config.mel, self.device, self._dtype)
        self._vocoders[preset] = made
        content = hashlib.sha256(f"{self._checkpoint.fingerprint} {preset}".encode())
        for key, tensor in sorted(made.state_dict().items()):
            content.update(key.encode() + tensor.float().cpu().contiguous().numpy().tobytes())
        return content.hexdigest()

    def fuse(self) -> None:
        """Let torch compile what gains by it on a card. The first call takes a minute."""
        self.vocoder.fuse()

    def _given(self, lines: Sequence[Line]) -> tuple[Tensor, Tensor]:
        """-> conditioning (B, 32, D), emotions (B, D)"""
        conditioning = torch.stack([line.voice.conditioning for line in lines])
        return conditioning.to(self.device), torch.stack([line.emotion for line in lines]).to(self.device)

    def _regulated(self, contents: Sequence[Tensor], frames: Sequence[int]) -> list[Tensor]:
        """contents (N, I), frames G -> (G, C) each"""
        counts = torch.tensor([len(content) for content in contents], device=self.device)
        spread = self._regulator(
            pad_sequence(list(contents), batch_first=True),  # (B, N, I)
            counts,
            torch.tensor(list(frames), device=self.device),
        )
        return [row[:count] for row, count in zip(spread, frames, strict=True)]

    def _sampler(self, schedule: Schedule) -> Sampler:
        if schedule not in self._samplers:
            arranged = next((known.net for known in self._samplers.values()), self._dit)
            self._samplers[schedule] = Sampler(arranged, schedule)
        return self._samplers[schedule]

    def _vectors_of_codes(self) -> Tensor:
        """(codes, I): all that is used of the codec once its encoder has heard the voices."""
        codec = self._net("codec", lambda: Codec(self.config.codec))
        with torch.inference_mode():
            return codec.vectors(torch.arange(self.config.codec.codebook_size, device=self.device)[None])[0]

    def _net(self, part: str, make: Callable[[], Net]) -> Net:
        with torch.device("meta"):  # no time and no memory for weights that are replaced
            net = make()
        net.load_state_dict(self._checkpoint.part(part, str(self.device)), strict=True, assign=True)
        return net.eval().requires_grad_(False)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        since = time.monotonic()
        try:
            yield
        finally:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            self.spent[stage] += time.monotonic() - since


def padded(rows: Sequence[Tensor]) -> Tensor:
    """rows (M, T) of different lengths -> (B, M, longest T); padding is 0"""
    return pad_sequence([row.mT for row in rows], batch_first=True).mT
