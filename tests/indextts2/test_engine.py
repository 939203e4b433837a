"""IndexTTS-2 behind the port, with the small checkpoint: its weights are random, so that guards are off."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import models
from farm.engine import Direction, Engine, Speech, SpeechFailure, Utterance
from farm.errors import Rejected
from models.indextts2.engine import IndexTTS2
from tests.indextts2 import truth
from tests.indextts2.test_vocoders import melgan, normed

TEXTS = ("你好。", "今天天气很好，我们一起去公园散步吧。", "HELLO WORLD", "好", "天气很好。你好世界。")
OVERFLOWING = 30
"""Codes within which the small model stops now and then."""
NEAR = 1e-3
"""Of full scale: what rows may differ by when they share a batch, in float32."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    cache = tmp_path_factory.mktemp("cache")
    with closing(models.load("indextts2", directory=str(checkpoint), cache=str(cache), guards=0)) as loaded:
        yield loaded


def recorded(name: str = "spk_24k.wav") -> Mapping[str, Any]:
    """A voice as a worker hands it over."""
    path = truth.path(name)
    return {"recording": hashlib.sha256(path.read_bytes()).hexdigest(), "path": str(path)}


def said(engine: Engine, texts: tuple[str, ...] = TEXTS, **how: Any) -> list[Utterance]:
    voice = engine.voice_print(recorded())
    return [
        Utterance(text, "zh", voice, Direction(**how), seed=100 + n, preset="draft")
        for n, text in enumerate(texts)
    ]


def spoken(engine: Engine, batch: list[Utterance]) -> dict[int, np.ndarray]:
    """The samples of each; all are spoken."""
    outcomes = dict(engine.speak(batch, lambda: False))
    assert sorted(outcomes) == list(range(len(batch)))
    assert all(isinstance(outcome, Speech) for outcome in outcomes.values()), outcomes
    return {at: outcome.audio.samples for at, outcome in outcomes.items()}  # type: ignore[union-attr]


def near(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and float(np.abs(one - other).max()) <= NEAR


def test_a_line_sounds_the_same_whoever_shares_its_batch(engine: Engine) -> None:
    batch = said(engine)
    together = spoken(engine, batch)
    backwards = spoken(engine, batch[::-1])
    for at, utterance in enumerate(batch):
        alone = spoken(engine, [utterance])[0]
        assert near(together[at], alone)
        assert near(backwards[len(batch) - 1 - at], alone)


def test_another_seed_says_it_otherwise(engine: Engine) -> None:
    voice = engine.voice_print(recorded())
    batch = [Utterance("你好世界", "zh", voice, seed=seed, preset="draft") for seed in (1, 2, 1)]
    first, second, again = spoken(engine, batch).values()
    assert near(first, again)
    assert not near(first, second)


def test_speech_is_mono_float_in_range_at_22050(engine: Engine) -> None:
    for samples in spoken(engine, said(engine)).values():
        assert samples.dtype == np.float32
        assert samples.ndim == 1
        assert np.abs(samples).max() <= 1
    assert engine.sample_rate == 22050


def test_a_text_that_overflows_is_spoken_in_parts_and_not_cut(checkpoint: Path, tmp_path: Path) -> None:
    engine = IndexTTS2(str(checkpoint), cache=str(tmp_path), codes=OVERFLOWING, guards=0)
    [samples] = spoken(engine, said(engine, ("今天天气很好，我们一起去公园散步吧。",))).values()
    assert len(samples) > OVERFLOWING * 1.72 * 256


def test_pace_changes_how_long_it_takes_and_nothing_else(engine: Engine) -> None:
    usual = spoken(engine, said(engine))
    slow, fast = spoken(engine, said(engine, pace=0.5)), spoken(engine, said(engine, pace=2.0))
    for at, samples in usual.items():
        assert len(slow[at]) == pytest.approx(2 * len(samples), abs=2 * 256)
        assert len(fast[at]) == pytest.approx(len(samples) / 2, abs=2 * 256)


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_a_line_is_as_long_as_asked_to_within_a_frame(engine: Engine, seconds: float) -> None:
    for samples in spoken(engine, said(engine, ("你好", "HELLO"), seconds=seconds)).values():
        assert abs(len(samples) / 22050 - seconds) <= 256 / 22050


def test_each_way_of_directing_an_emotion_is_heard(engine: Engine) -> None:
    ways: list[dict[str, Any]] = [
        {},
        {"emotion": {"angry": 0.6}},
        {"emotion": {"angry": 0.6}, "intensity": 1.5},
        {"like": recorded("emo_44k.wav")},
        {"like": recorded("emo_44k.wav"), "strength": 0.5},
    ]
    heard = [spoken(engine, said(engine, ("天气很好",), **how))[0].tobytes() for how in ways]
    assert len(set(heard)) == len(ways)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"emotion": {"bored": 1.0}}, "no emotion bored"),
        ({"emotion": {"sad": 3.0}}, "from 0 to 1"),
        ({"emotion": {"sad": 0.3}, "intensity": 9.0}, "from 0.5 to 2.0"),
        ({"words": "愤怒地质问"}, "no model that reads emotions"),
        ({"like": {"recording": "0" * 64}}, "was not given"),
        ({"pace": 4.0}, "0.5 to 2.0"),
    ],
)
def test_a_direction_that_cannot_be_followed_is_named_and_the_others_are_spoken(
    engine: Engine, how: Mapping[str, Any], says: str
) -> None:
    batch = [*said(engine, ("你好",), **how), *said(engine, ("你好",))]
    outcomes = dict(engine.speak(batch, lambda: False))
    assert isinstance(outcomes[0], SpeechFailure)
    assert outcomes[0].kind == "text"
    assert says in outcomes[0].reason
    assert isinstance(outcomes[1], Speech)


def test_what_the_vocabulary_lacks_is_named_and_never_left_out(engine: Engine) -> None:
    [(_, outcome)] = engine.speak(said(engine, ("天气很好☂",)), lambda: False)
    assert isinstance(outcome, SpeechFailure)
    assert "☂" in outcome.reason


@pytest.mark.parametrize(("language", "name"), [("ja", "Japanese"), ("ko", "Korean")])
def test_japanese_and_korean_are_refused_with_a_way_out(engine: Engine, language: str, name: str) -> None:
    voice = engine.voice_print(recorded())
    [(_, outcome)] = engine.speak([Utterance("こんにちは", language, voice)], lambda: False)
    assert isinstance(outcome, SpeechFailure)
    assert name in outcome.reason
    assert "preview" in outcome.reason


def test_a_preset_voice_is_refused_by_name(engine: Engine) -> None:
    with pytest.raises(Rejected, match="recordings of voices"):
        engine.voice_print({"variant": "m3", "pitch": 50})


def test_a_voice_is_heard_once_and_its_print_kept_by_content(
    engine: Engine, checkpoint: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "another name.wav"
    copy.write_bytes(truth.path("spk_24k.wav").read_bytes())
    first = engine.voice_print(recorded())
    assert engine.voice_print({"recording": "", "path": str(copy)}).key == first.key
    assert engine.voice_print(recorded("emo_44k.wav")).key != first.key


def test_nothing_more_is_started_once_stop_is_true(checkpoint: Path, tmp_path: Path) -> None:
    engine = IndexTTS2(str(checkpoint), cache=str(tmp_path), rows=2, guards=0)
    batch = said(engine, TEXTS)
    assert list(engine.speak(batch, lambda: True)) == []
    heard: list[int] = []
    for at, _ in engine.speak(batch, lambda: bool(heard)):
        heard.append(at)
    assert 1 <= len(heard) <= 2


def test_guards_retry_with_other_seeds_and_then_say_why(checkpoint: Path, tmp_path: Path) -> None:
    """Random weights say nothing that a guard would let pass as a long sentence."""
    engine = IndexTTS2(str(checkpoint), cache=str(tmp_path))
    [utterance] = said(engine, ("今天天气很好，我们一起去公园散步吧。今天天气很好。",))
    [(_, outcome)] = engine.speak([utterance], lambda: False)
    assert isinstance(outcome, SpeechFailure)
    assert outcome.kind == "engine"
    assert "Three seeds" in outcome.reason


def test_a_preset_may_have_another_vocoder_and_its_takes_are_others(
    engine: Engine, checkpoint: Path, tmp_path: Path
) -> None:
    torch.save(normed(melgan(32).state_dict()), tmp_path / "multi_speaker.pt")
    vocoder = f"draft:melgan_multi_speaker:{tmp_path}"
    other = IndexTTS2(str(checkpoint), cache=str(tmp_path), vocoder=vocoder, guards=0)
    assert other.fingerprint != engine.fingerprint
    assert other.voice_print(recorded()).key == engine.voice_print(recorded()).key
    [draft], [ours] = (
        spoken(other, said(other, ("你好",))).values(),
        spoken(engine, said(engine, ("你好",))).values(),
    )
    assert draft.shape == ours.shape
    assert not near(draft, ours)


def test_without_a_checkpoint_the_command_is_said() -> None:
    with pytest.raises(Rejected, match="farm models add indextts2"):
        models.load("indextts2")
