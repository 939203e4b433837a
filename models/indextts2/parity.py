"""The reference's pipeline, number for number: one segment after the other, its beams, its random draws.

For comparing with it, not for books: the engine in engine.py speaks whole batches.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.indextts2.cfm import SCHEDULES
from models.indextts2.checkpoint import Official
from models.indextts2.decoding import Draws
from models.indextts2.emotion import Bank, scaled
from models.indextts2.layout import read_json
from models.indextts2.pipeline import Line, Pipeline
from models.indextts2.regulator import n_frames
from models.indextts2.sampling import Sampling
from models.indextts2.segments import split
from models.indextts2.text import Tokenizer
from models.indextts2.voice import Listener, Voice

W2V_LAYERS = 24
"""Of w2v-BERT where its config.json is not there: it draws a number for each, though none is dropped."""
FULL_SCALE = 32767
MOST_CODES = 1500


class Reference:
    """A checkpoint that speaks as the reference does. Like it, it keeps the last voice and emotion."""

    def __init__(self, checkpoint: Official, tokenizer: Tokenizer | None = None) -> None:
        """`tokenizer`: else that of the checkpoint without a normaliser, for text that is normalised."""
        self.pipeline = Pipeline(checkpoint)
        self.tokenizer = tokenizer or Tokenizer(checkpoint.bpe, replay=True)
        self.listener = Listener(checkpoint, checkpoint.config)
        bank = checkpoint.part("bank")
        self.bank = Bank(bank["speakers"], bank["emotions"], checkpoint.config.emotions)
        self.rate = checkpoint.config.mel.sample_rate
        config = checkpoint.found.files.get("w2v_config")
        self._layers = read_json(config)["num_hidden_layers"] if config else W2V_LAYERS
        self._voice: tuple[Path, Voice] | None = None
        self._emotion: tuple[Path, Tensor] | None = None

    def infer(
        self,
        spk_audio_prompt: Path,
        text: str,
        generator: torch.Generator,
        *,
        emo_audio_prompt: Path | None = None,
        emo_alpha: float = 1.0,
        emo_vector: Sequence[float] | None = None,
        use_random: Random | None = None,
        interval_silence: int = 200,
        max_text_tokens_per_segment: int = 120,
        more_segment_before: int = 0,
        max_mel_tokens: int = MOST_CODES,
        **sampling: Any,
    ) -> NDArray[np.int16]:
        """Samples (N,) of 22 050 Hz, `generator` seeded as the reference's global one was.

        Names and defaults are the reference's; `sampling` changes Sampling.parity(), `use_random` is the
        generator that stands for Python's own.
        """
        voice, emotion = self._heard(spk_audio_prompt, emo_audio_prompt or spk_audio_prompt, generator)
        alpha = 1.0 if emo_vector is not None or emo_audio_prompt is None else emo_alpha
        merged = voice.own + alpha * (emotion - voice.own)
        if emo_vector is not None:
            weights = torch.tensor(scaled(emo_vector, emo_alpha))
            merged = self.bank.blend(weights, voice.style, merged, use_random)
        pieces = self.tokenizer.encode(text)
        segments = split(pieces, max_text_tokens_per_segment, more_segment_before, replay=True)
        rule = replace(Sampling.parity(), **sampling)
        waves = []
        for segment in segments:
            line = Line(torch.tensor(self.tokenizer.ids(segment)), voice, merged)
            waves.append(self._spoken(line, rule, max_mel_tokens, generator))
        return self._joined(waves, interval_silence)

    def _heard(self, speaker: Path, emotion: Path, generator: torch.Generator) -> tuple[Voice, Tensor]:
        if self._voice is None or self._voice[0] != speaker:
            self._listen(generator)
            self._voice = speaker, self.listener.hear(speaker)
        if self._emotion is None or self._emotion[0] != emotion:
            self._listen(generator)
            self._emotion = emotion, self.listener.feel(emotion)
        return self._voice[1], self._emotion[1]

    def _listen(self, generator: torch.Generator) -> None:
        """What the reference draws when it listens to a recording."""
        for _ in range(self._layers):
            torch.rand([], generator=generator)

    def _spoken(self, line: Line, rule: Sampling, most: int, generator: torch.Generator) -> Tensor:
        """-> samples in the range of 16 bits, float32"""
        [decoded] = self.pipeline.codes([line], rule, [most], Draws.replayed(generator))
        contents = self.pipeline.contents([line], [decoded.codes])
        frames = n_frames(len(decoded.codes))
        bands, prompt = line.voice.mel.shape
        noise = torch.randn(1, bands, prompt + frames, generator=generator)[0]
        mels = self.pipeline.mels([line], contents, [frames], [noise], SCHEDULES["exact"])
        [wave] = self.pipeline.waves(mels)
        return (wave * FULL_SCALE).clamp(-FULL_SCALE, FULL_SCALE)

    def _joined(self, waves: Sequence[Tensor], interval_silence: int) -> NDArray[np.int16]:
        silence = torch.zeros(int(self.rate * interval_silence / 1000.0))
        parts = [part for wave in waves for part in (silence, wave)][1:]
        return torch.cat(parts).numpy().astype(np.int16)  # towards zero, as the reference
