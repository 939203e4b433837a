"""IndexTTS-2 behind the port: utterances in, speech out, in batches that fit the memory there is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from farm.engine import Samples, Speech, SpeechFailure, Utterance, VoicePrint
from farm.errors import Rejected
from models.indextts2 import guards, processor
from models.indextts2.checkpoint import DTYPES, open_checkpoint
from models.indextts2.decoding import Decoded, Draws
from models.indextts2.directing import Director
from models.indextts2.memory import Need, Room, need
from models.indextts2.passage import TRIES, Part, Passage, derived
from models.indextts2.pipeline import CHUNK, Line, Pipeline
from models.indextts2.presets import DEFAULT, Preset, preset
from models.indextts2.regulator import frames_lasting, n_frames
from models.indextts2.segments import split
from models.indextts2.text import LANGUAGES, Tokenizer, refusal
from models.indextts2.voice import Listener, Voice, key
from models.indextts2.voices import Voices
from models.refusal import refuse

LONGEST = 120
"""Pieces that are spoken at once; of a longer text several parts are made, as the reference does."""
MOST_CODES = 1500
NOISE = -2
"""Tells the seed of a part's noise from that of its codes."""
PACES = (0.5, 2.0)
CPU_IS_FULL = "can't allocate memory"

Outcome = Samples | SpeechFailure | Sequence[Part]
"""What came of a part: its samples, why there are none, or what is to be spoken in its stead."""


class IndexTTS2:
    """A checkpoint on one device. `guards` 0 lets everything pass, as an untrained checkpoint needs it."""

    name = "indextts2"
    languages = LANGUAGES

    def __init__(
        self,
        directory: str = "",
        precision: str = "fp32",
        device: str = "",
        cache: str = "",
        rows: int = 0,
        codes: int = MOST_CODES,
        vocoder: str = "",
        compile: int = 0,
        guards: int = 1,
    ) -> None:
        """`directory` of a checkpoint, converted or as downloaded; `device` "": a card where there is one.

        `cache` is a folder for voice prints and what was learnt of the memory; `rows` at once at most, 0: as
        many as fit; `codes` of a part at most, and a text that takes more is spoken in several;
        `vocoder` "PRESET:NAME:DIRECTORY" gives a preset another one (vocoders/table.py); `compile` 1 has
        torch compile what gains by it on a card, for a minute. Raises Rejected: the checkpoint, the device or
        the vocoder cannot be used.
        """
        if not directory:
            raise Rejected("No checkpoint of IndexTTS-2 was added here. Run `farm models add indextts2 DIR`.")
        if precision not in DTYPES:
            raise Rejected(
                "IndexTTS-2 computes in {known}, not in {name}.", known=", ".join(DTYPES), name=precision
            )
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        checkpoint = open_checkpoint(Path(directory), precision)
        kept = Path(cache or Path(directory) / "cache")
        self.fingerprint = self._heard_by = checkpoint.fingerprint
        self.sample_rate = checkpoint.config.mel.sample_rate
        self._dtype = DTYPES[precision]
        self._guarded = bool(guards)
        self._limit = min(codes, checkpoint.config.gpt.max_mel_tokens)
        self._tokenizer = Tokenizer(checkpoint.bpe)
        self._longest = min(LONGEST, checkpoint.config.gpt.max_text_tokens)
        self._voices = Voices(kept / "voices", checkpoint.config)
        self._listener = Listener(checkpoint, checkpoint.config, place)
        self._director = Director(checkpoint, self._listener, place)
        self._room = Room(place, kept / "rows.json", rows)
        self.pipeline = Pipeline(checkpoint, place)
        if vocoder:
            for_preset, _, rest = vocoder.partition(":")
            self.fingerprint = self.pipeline.take(preset(for_preset).name, *rest.partition(":")[::2])
        if compile:
            self.pipeline.fuse()

    @property
    def spent(self) -> Mapping[str, float]:
        return self.pipeline.spent

    def voice_print(self, voice: Mapping[str, Any]) -> VoicePrint:
        """Of {"recording": sha256, "path": file}. Raises Rejected: it is none, or nobody speaks in it."""
        path = voice.get("path")
        if not path:
            raise Rejected("IndexTTS-2 speaks with recordings of voices. Choose one, or upload one first.")
        content = Path(path).read_bytes()
        name = key(content, self._heard_by)
        return VoicePrint(name, {"voice": self._voices.get(name, lambda: self._listener.hear(content))})

    def speak(
        self, batch: Sequence[Utterance], stop: Callable[[], bool]
    ) -> Iterator[tuple[int, Speech | SpeechFailure]]:
        """Micro-batches of parts of like length, the longest first; what is whole is yielded."""
        passages: dict[int, Passage] = {}
        waiting: list[Part] = []
        for at, utterance in enumerate(batch):
            if failure := self._refused(utterance):
                yield at, failure
                continue
            parts = self._parts(at, utterance.text)
            passages[at] = Passage(utterance, len(parts))
            waiting += parts
        while waiting and not stop():
            waiting.sort(key=lambda part: (preset_of(passages[part.at].utterance), len(part.pieces)))
            together = self._together(waiting, passages)
            del waiting[-len(together) :]
            outcomes = self._spoken(together, passages)
            processor.give_back()
            for part, outcome in outcomes:
                passage = passages.get(part.at)
                if passage is None:
                    continue  # another part of it failed
                if isinstance(outcome, SpeechFailure):
                    del passages[part.at]
                    waiting = [other for other in waiting if other.at != part.at]
                    yield part.at, outcome
                elif isinstance(outcome, Sequence):
                    passage.cut(len(outcome))
                    waiting += outcome
                else:
                    passage.put(part, outcome)
                    if passage.is_whole:
                        del passages[part.at]
                        yield part.at, passage.speech(self.sample_rate)

    def close(self) -> None:
        self._listener.close()
        self._director.close()

    def _refused(self, utterance: Utterance) -> SpeechFailure | None:
        if refused := refuse(self.name, self.languages, utterance):
            return SpeechFailure("text", str(refusal(utterance.language) or refused.reason))
        if unknown := self._tokenizer.unknown_pieces(utterance.text):
            return SpeechFailure(
                "text",
                f"IndexTTS-2 has no sign for {' '.join(unknown)}. Write it otherwise, or leave it out.",
            )
        if not self._tokenizer.encode(utterance.text):
            return SpeechFailure("text", "There is nothing in this text that IndexTTS-2 can say.")
        if not PACES[0] <= utterance.direction.pace <= PACES[1]:
            return SpeechFailure("text", f"A pace of {utterance.direction.pace} is not within 0.5 to 2.0.")
        try:
            preset(preset_of(utterance))
            self._line(utterance, [])
        except Rejected as e:
            return SpeechFailure("text", str(e))
        return None

    def _parts(self, at: int, text: str) -> list[Part]:
        segments = split(self._tokenizer.encode(text), self._longest)
        if len(segments) == 1:
            return [Part(at, tuple(segments[0]))]
        return [Part(at, tuple(segment), (n,)) for n, segment in enumerate(segments)]

    def _together(self, waiting: Sequence[Part], passages: Mapping[int, Passage]) -> list[Part]:
        """The last of `waiting` that go through the nets at once: of one preset, as many as fit."""
        longest = waiting[-1]
        name = preset_of(passages[longest.at].utterance)
        alike = [part for part in waiting if preset_of(passages[part.at].utterance) == name]
        most = max(self._most(part) for part in alike)
        return alike[-self._room.rows(self._need(len(longest.pieces), most)) :]

    def _need(self, pieces: int, codes: int) -> Need:
        config = self.pipeline.config
        prefix = config.gpt.latents + pieces + 5
        return need(config, self.pipeline.vocoder.geometry, self._dtype, prefix, codes, CHUNK)

    def _spoken(self, parts: Sequence[Part], passages: Mapping[int, Passage]) -> list[tuple[Part, Outcome]]:
        """What came of each of `parts`; where memory ran out, in two halves."""
        self.close()  # what hears and reads takes more memory than what speaks
        try:
            return self._through_the_nets(parts, [passages[part.at].utterance for part in parts])
        except RuntimeError as e:  # which torch.OutOfMemoryError is; on a CPU there is only the message
            if not isinstance(e, torch.OutOfMemoryError) and CPU_IS_FULL not in str(e):
                raise
            failed = str(e)
        if not self._room.did_not_fit(len(parts)):
            return [(parts[0], SpeechFailure("memory", f"One line alone does not fit into memory: {failed}"))]
        middle = len(parts) // 2
        return [*self._spoken(parts[:middle], passages), *self._spoken(parts[middle:], passages)]

    def _through_the_nets(
        self, parts: Sequence[Part], utterances: Sequence[Utterance]
    ) -> list[tuple[Part, Outcome]]:
        how = preset(preset_of(utterances[0]))
        lines = [self._line(each, part.pieces) for part, each in zip(parts, utterances, strict=True)]
        seeds = [part.seed(each.seed) for part, each in zip(parts, utterances, strict=True)]
        most = [self._most(part) for part in parts]
        decoded = self.pipeline.codes(lines, how.sampling, most, Draws.seeded(seeds))
        outcomes: list[tuple[Part, Outcome]] = []
        good = []
        for n, (part, said) in enumerate(zip(parts, decoded, strict=True)):
            if wrong := self._wrong(part, said, most[n]):
                outcomes.append((part, wrong))
            else:
                good.append(n)
        if good:
            waves = self._sounding(
                [lines[n] for n in good],
                [decoded[n].codes for n in good],
                [utterances[n] for n in good],
                [seeds[n] for n in good],
                how,
            )
            outcomes += [
                (parts[n], self._judged(parts[n], utterances[n], wave))
                for n, wave in zip(good, waves, strict=True)
            ]
        return outcomes

    def _sounding(
        self,
        lines: Sequence[Line],
        codes: Sequence[Tensor],
        utterances: Sequence[Utterance],
        seeds: Sequence[int],
        how: Preset,
    ) -> list[Samples]:
        contents = self.pipeline.contents(lines, codes)
        frames = [self._frames(len(said), each) for said, each in zip(codes, utterances, strict=True)]
        noise = [
            self._noise(line.voice, count, seed)
            for line, count, seed in zip(lines, frames, seeds, strict=True)
        ]
        mels = self.pipeline.mels(lines, contents, frames, noise, how.schedule)
        return [wave.numpy() for wave in self.pipeline.waves(mels, how.name)]

    def _line(self, utterance: Utterance, pieces: Sequence[str]) -> Line:
        voice: Voice = utterance.voice.data["voice"]
        emotion = self._director.emotion(utterance.voice.key, voice, utterance.direction)
        return Line(torch.tensor(self._tokenizer.ids(list(pieces)), dtype=torch.int64), voice, emotion)

    def _most(self, part: Part) -> int:
        return guards.most_codes(part.text, self._limit) if self._guarded else self._limit

    def _wrong(self, part: Part, said: Decoded, most: int) -> SpeechFailure | Sequence[Part] | None:
        """What to do instead where codes are no speech: what is too long in halves, else once more."""
        if not said.stopped and most == self._limit and len(part.pieces) > 1:
            return part.halves()
        if not len(said.codes):
            return self._again(part, "It said nothing.")
        if not said.stopped:
            return self._again(part, f"It went on for {most} codes without an end.")
        if self._guarded and guards.loops(said.codes.tolist()):
            return self._again(part, "It said the same over and over.")
        return None

    def _judged(self, part: Part, utterance: Utterance, samples: Samples) -> Outcome:
        if not self._guarded or utterance.direction.seconds:
            return samples
        fault = guards.fault(part.text, samples, self.sample_rate, 1 / utterance.direction.pace)
        return self._again(part, fault) if fault else samples

    def _again(self, part: Part, why: str) -> SpeechFailure | Sequence[Part]:
        if part.tried + 1 < TRIES:
            return [part.again()]
        return SpeechFailure("engine", f"{part.text[:80]}: {why} Three seeds were tried.")

    def _frames(self, codes: int, utterance: Utterance) -> int:
        hop = self.pipeline.config.mel.hop_length
        if utterance.direction.seconds:
            return frames_lasting(utterance.direction.seconds, self.sample_rate, hop)
        return n_frames(codes, 1 / utterance.direction.pace)

    def _noise(self, voice: Voice, frames: int, seed: int) -> Tensor:
        """(M, P + G), from its own seed on the CPU: the same on every device and in every batch."""
        bands, prompt = voice.mel.shape
        generator = torch.Generator().manual_seed(derived(seed, NOISE))
        return torch.randn(bands, prompt + frames, generator=generator)


def preset_of(utterance: Utterance) -> str:
    return utterance.preset or DEFAULT
