import numpy as np
import pytest

from models.indextts2 import guards

RATE = 22050
TEXT = "今天天气很好，我们一起去公园散步吧。"


def voice(seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def test_a_reading_of_the_expected_length_passes() -> None:
    expected = guards.expected_s(TEXT)
    for share in (0.6, 1.0, 2.0):
        assert guards.fault(TEXT, voice(share * expected), RATE) == ""


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_lasts_far_too_short_or_too_long_is_named(language: str) -> None:
    text = TEXT if language == "zh" else "It was late, and the rain had not stopped; nobody said a word."
    expected = guards.expected_s(text)
    assert "too short" in guards.fault(text, voice(0.5 * expected - 1.1), RATE)
    assert "too long" in guards.fault(text, voice(2.5 * expected + 1.1), RATE)


def test_slow_speech_may_last_longer() -> None:
    slow = voice(4 * guards.expected_s(TEXT))
    assert guards.fault(TEXT, slow, RATE)
    assert not guards.fault(TEXT, slow, RATE, factor=2.0)


def test_a_long_silence_in_the_middle_is_named() -> None:
    text = TEXT * 3
    long = voice(guards.expected_s(text))
    long[RATE : RATE + 5 * RATE] = 0
    assert "silent for 5.0 s" in guards.fault(text, long, RATE)


def test_codes_that_go_round_are_a_loop_and_speech_is_none() -> None:
    random = np.random.default_rng(1)
    speech = random.integers(0, 8192, 500).tolist()
    assert not guards.loops(speech)
    assert not guards.loops(speech + [7] * 60)  # a long vowel
    for block in (1, 2, 7, 16):
        assert guards.loops(speech + random.integers(0, 8192, block).tolist() * 130)


def test_decoding_gives_up_in_proportion_to_the_text_and_never_beyond_the_limit() -> None:
    assert guards.most_codes("好。", 1500) < guards.most_codes(TEXT, 1500) < guards.most_codes(TEXT * 9, 1500)
    assert guards.most_codes(TEXT * 9, 1500) == 1500
