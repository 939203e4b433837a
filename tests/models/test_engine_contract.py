"""What every engine promises."""

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

import models
from farm.engine import Direction, Engine, Speech, SpeechFailure, Utterance
from farm.voices import preset

TEXTS = [
    "今天天气很好。",
    "我们一起去公园散步吧，顺便看看花开了没有。",
    "好。",
    "重要的事情说三遍。",
    "再见，明天见！",
]


@pytest.fixture(
    scope="module",
    params=["preview", "preview:workers=2", "simulated:speed=inf", "simulated:speed=5000,batch=3"],
)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with closing(models.load(request.param)) as engine:
        yield engine


def utterances(engine: Engine, texts: list[str] = TEXTS, language: str = "zh") -> list[Utterance]:
    voices = [engine.voice_print(preset(name).to_json()) for name in ("narrator", "woman")]
    return [Utterance(text, language, voices[n % 2], Direction(1.0 + n / 10)) for n, text in enumerate(texts)]


def spoken(engine: Engine, batch: list[Utterance]) -> dict[int, Speech | SpeechFailure]:
    return dict(engine.speak(batch, lambda: False))


def test_every_utterance_of_a_batch_is_answered_once(engine: Engine) -> None:
    indexes = [index for index, _ in engine.speak(utterances(engine), lambda: False)]
    assert sorted(indexes) == list(range(len(TEXTS)))
    assert list(engine.speak([], lambda: False)) == []


def test_speech_is_mono_float_in_range_at_the_rate_of_the_engine(engine: Engine) -> None:
    for result in spoken(engine, utterances(engine)).values():
        assert isinstance(result, Speech)
        samples = result.audio.samples
        assert samples.dtype == np.float32
        assert samples.ndim == 1
        assert 0.05 < np.abs(samples).max() <= 1
        assert result.audio.sample_rate == engine.sample_rate


def test_an_utterance_sounds_the_same_whoever_shares_its_batch(engine: Engine) -> None:
    batch = utterances(engine)
    together = spoken(engine, batch)
    backwards = spoken(engine, batch[::-1])
    for index, utterance in enumerate(batch):
        alone = spoken(engine, [utterance])[0].audio.samples
        assert np.array_equal(together[index].audio.samples, alone)
        assert np.array_equal(backwards[len(batch) - 1 - index].audio.samples, alone)


def test_nothing_more_is_started_once_stop_is_true(engine: Engine) -> None:
    heard: list[int] = []
    batch = utterances(engine, TEXTS * 8)
    for index, _ in engine.speak(batch, lambda: bool(heard)):
        heard.append(index)
    assert 1 <= len(heard) <= 16
    assert list(engine.speak(batch, lambda: True)) == []


@pytest.mark.parametrize("language", ["fr", "", "zh-CN"])
def test_a_language_it_does_not_speak_is_refused_by_name(engine: Engine, language: str) -> None:
    strange = Utterance("Bonjour", language, engine.voice_print(preset("narrator").to_json()))
    results = spoken(engine, [strange, *utterances(engine)])
    assert isinstance(results[0], SpeechFailure)
    assert results[0].kind == "text"
    assert f"does not speak {language}" in results[0].reason
    assert all(isinstance(results[index], Speech) for index in range(1, 1 + len(TEXTS)))


@pytest.mark.parametrize("text", ["", " ", "\n\t　"])
def test_an_empty_text_is_refused(engine: Engine, text: str) -> None:
    results = spoken(engine, utterances(engine, [text, "好。"]))
    assert results[0] == SpeechFailure("text", "The text is empty.")
    assert isinstance(results[1], Speech)


def test_a_voice_print_is_named_by_what_is_heard(engine: Engine) -> None:
    narrator, woman = (engine.voice_print(preset(name).to_json()).key for name in ("narrator", "woman"))
    assert narrator != woman
    assert narrator == engine.voice_print(dict(reversed(preset("narrator").to_json().items()))).key


def test_the_seed_that_was_used_is_told(engine: Engine) -> None:
    voice = engine.voice_print(preset("woman").to_json())
    for seed in (0, 7, 2**40):
        assert spoken(engine, [Utterance("好。", "zh", voice, seed=seed)])[0].seed == seed


@pytest.mark.parametrize("name", ["preview", "simulated"])
def test_an_engine_can_be_closed_twice(name: str) -> None:
    engine = models.load(name)
    engine.close()
    engine.close()


@pytest.mark.parametrize("name", ["preview", "simulated:speed=inf"])
def test_two_engines_with_one_fingerprint_speak_alike(name: str) -> None:
    with closing(models.load(name)) as one, closing(models.load(name)) as other:
        assert one.fingerprint == other.fingerprint
        batch = utterances(one)
        for index, result in spoken(one, batch).items():
            assert np.array_equal(result.audio.samples, spoken(other, batch)[index].audio.samples)
