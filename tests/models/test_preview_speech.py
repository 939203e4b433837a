"""What the preview engine says, heard."""

import time
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from farm.engine import Engine, Speech, SpeechFailure, Utterance
from farm.errors import Rejected
from farm.voices import PRESETS, SAMPLES, PresetVoice, preset

Say = Callable[..., Speech | SpeechFailure]
A, B = "今天天气很好，我们一起去公园散步吧。", "Hello there, it is five o'clock."


def seconds(result: Speech | SpeechFailure) -> float:
    assert isinstance(result, Speech), result
    return result.audio.seconds


def alike(one: Speech | SpeechFailure, other: Speech | SpeechFailure) -> bool:
    assert isinstance(one, Speech), one
    assert isinstance(other, Speech), other
    return np.array_equal(one.audio.samples, other.audio.samples)


@pytest.mark.parametrize("voice", [voice.name for voice in PRESETS])
def test_a_text_sounds_the_same_whatever_was_said_before(preview: Engine, voice: str) -> None:
    print_ = preview.voice_print(preset(voice).to_json())
    first, second = Utterance(A, "zh", print_), Utterance(B, "en", print_)
    aba = dict(preview.speak([first, second, first], lambda: False))
    baa = dict(preview.speak([second, first, first], lambda: False))
    assert alike(aba[0], aba[2])
    assert alike(aba[0], baa[1])
    assert alike(aba[0], baa[2])
    assert alike(aba[1], baa[0])


def test_a_text_sounds_the_same_at_another_time_of_day(say: Say) -> None:
    now = say(
        A, voice="woman"
    )  # a breathy variant: espeak-ng seeds its noise with the second it was started in
    time.sleep(1.1)
    with closing(models.load("preview")) as later:
        utterance = Utterance(A, "zh", later.voice_print(preset("woman").to_json()))
        assert alike(now, dict(later.speak([utterance], lambda: False))[0])


@pytest.mark.parametrize(("language", "sample"), SAMPLES.items())
@pytest.mark.parametrize("voice", PRESETS)
def test_every_preset_introduces_itself_in_every_language(
    say: Say, voice: PresetVoice, language: str, sample: str
) -> None:
    result = say(sample, language, voice.name)
    assert 3 < seconds(result) < 10
    assert (np.abs(result.audio.samples) >= 0.999).sum() == 0


def test_no_two_presets_sound_alike(say: Say) -> None:
    assert len({say(A, voice=voice.name).audio.samples.tobytes() for voice in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize(
    ("annotated", "natural"),
    [
        ("CHONG2要", "虫要"),
        ("ZHONG4要", "众要"),
        ("LV4", "绿"),
        ("HANG2", "航"),
        ("CHONG2QING4", "重庆"),
        ("XIONG2", "熊"),
        ("DE5", "的"),
    ],
)
def test_pinyin_is_said_as_a_character_of_that_reading(say: Say, annotated: str, natural: str) -> None:
    assert alike(say(annotated), say(natural))


def test_two_readings_of_a_character_differ(say: Say) -> None:
    assert not alike(say("CHONG2要"), say("ZHONG4要"))
    assert alike(say("ZHONG4要"), say("重要"))


@pytest.mark.parametrize("text", ["英雄", "胸口", "贫穷", "玩儿", "这儿", "兄弟", "那儿子"])
def test_what_espeak_would_spell_in_english_is_said_in_two_or_three_syllables(say: Say, text: str) -> None:
    assert seconds(say(text)) < 0.36 * len(text) + 0.2


@pytest.mark.parametrize("word", ["Python", "12", "GPT", "タワー", "안녕", "CHONG2", "Привет", "①②", "ＡＢ"])
def test_words_of_other_languages_and_numbers_are_spoken_inside_chinese(say: Say, word: str) -> None:
    assert seconds(say(f"他说{word}了")) > seconds(say("他说了")) + 0.15


@pytest.mark.parametrize(
    ("text", "language"), [("東京", "ja"), ("Python", "ja"), ("北京", "en"), ("漢字", "ko"), ("時々", "ja")]
)
def test_what_a_voice_would_spell_out_is_read_by_another(say: Say, text: str, language: str) -> None:
    assert 0.3 < seconds(say(text, language)) < 1.0  # "Chinese letter, Chinese letter" takes 1.4 s


def test_pace_is_tempo(say: Say) -> None:
    slow, even, fast = (seconds(say(A, pace=pace)) for pace in (0.5, 1.0, 2.0))
    assert slow > 1.7 * even
    assert even > 1.4 * fast


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("你好\x0190P再见", "你好 90P再见"),
        ("你好\x00再见", "你好 再见"),
        ("你好\ud800再见", "你好 再见"),
        ("你\u200b好\ufeff再见", "你好再见"),
    ],
)
def test_commands_hidden_in_control_characters_are_not_obeyed(say: Say, hostile: str, harmless: str) -> None:
    assert alike(say(hostile), say(harmless))


def test_markup_is_text(say: Say) -> None:
    assert not alike(say("[[ts.h'ong35]]"), say("虫"))
    assert 1 < seconds(say("好<break time='9s'/>好")) < 8
    assert not alike(say("a &lt; b", "en"), say("a < b", "en"))


@pytest.mark.parametrize("text", ["……", "！？", "😀", "\x01\x02", "\ud800", "——", "\u200b"])
def test_a_text_with_nothing_to_say_is_a_failure_of_the_text(say: Say, text: str) -> None:
    result = say(text)
    assert isinstance(result, SpeechFailure)
    assert result.kind == "text"


def test_a_text_longer_than_a_breath_is_refused_and_not_cut(say: Say) -> None:
    assert seconds(say("好" * 2000)) > 200
    assert say("好" * 2001) == SpeechFailure(
        "text", "2001 characters are too many for one breath; 2000 are the most."
    )


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec=None), max_size=60), st.sampled_from(["zh", "en", "ja", "ko"]))
def test_any_text_is_spoken_or_refused(say: Say, text: str, language: str) -> None:
    result = say(text, language)
    assert isinstance(result, Speech) or (result.kind == "text" and result.reason)


@pytest.mark.parametrize(
    "voice",
    [
        {},
        {"recording": "/tmp/voice.flac"},
        {"variant": "../../../etc/passwd", "pitch": 50, "range": 50, "pace": 1.0},
        {"variant": "m3", "pitch": 50, "range": 50, "pace": 9.0},
        {"variant": "m3", "pitch": "high", "range": 50, "pace": 1.0},
        {"variant": "m3", "pitch": -1, "range": 50, "pace": float("nan")},
    ],
)
def test_a_voice_that_espeak_does_not_have_is_refused(preview: Engine, voice: dict[str, object]) -> None:
    with pytest.raises(Rejected):
        preview.voice_print(voice)
