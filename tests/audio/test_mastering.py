"""A mastered chapter is as loud as asked, never peaks above the limit, and everything lies where it says."""

import os
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from audio_signals import RATE, clip, heard, joined, silence, speech, tone

from farm.audio.loudness import measure
from farm.audio.mastering import Clip, MasteringSettings, encode_mp3, master
from farm.audio.probe import probe
from farm.engine import Audio
from farm.errors import Rejected

PLAIN = MasteringSettings()


def spoken(count: int, level: float = 0.1, seconds: float = 3.0) -> list[Clip]:
    return [clip(speech(seconds, seed, level=level)) for seed in range(count)]


@pytest.mark.parametrize("level", [0.005, 0.05, 0.9])
def test_the_file_that_is_heard_is_at_the_target_and_under_the_limit(level: float, tmp_path: Path) -> None:
    out = tmp_path / "chapter.m4a"
    mastered = master(spoken(5, level), out, PLAIN)
    loudness = measure([heard(out)], PLAIN.sample_rate)
    assert loudness.lufs == pytest.approx(-19.0, abs=0.5)
    assert loudness.true_peak_db is not None
    assert loudness.true_peak_db <= -3.0
    assert mastered.loudness.lufs == loudness.lufs
    assert mastered.loudness.true_peak_db == loudness.true_peak_db


def test_peaks_that_a_gain_alone_would_break_are_limited_and_the_loudness_kept(tmp_path: Path) -> None:
    clicks = tone(300, 3, level=0.02)
    clicks.samples[:: RATE // 4] = 0.9
    out = tmp_path / "chapter.m4a"
    loudness = master([clip(clicks)] * 3, out, PLAIN).loudness
    assert loudness.limited_s > 0
    assert loudness.true_peak_db is not None
    assert loudness.true_peak_db <= -3.0


def test_twoloop_which_overshoots_is_held_under_the_limit_too(tmp_path: Path) -> None:
    settings = MasteringSettings(aac_coder="twoloop")
    loudness = master(spoken(2, 0.5), tmp_path / "chapter.m4a", settings).loudness
    assert loudness.true_peak_db is not None
    assert loudness.true_peak_db <= -3.0


def test_a_coder_that_overshoots_is_given_a_lower_ceiling(tmp_path: Path) -> None:
    """At 32 kb/s, driven hard, AAC adds more than the headroom: only encoding anew keeps the limit."""
    settings = MasteringSettings(bitrate=32_000, lufs=-12)
    mastered = master(spoken(3), tmp_path / "chapter.m4a", settings)
    peak = measure([heard(tmp_path / "chapter.m4a")], 44_100).true_peak_db
    assert peak is not None
    assert peak <= -3.0
    assert mastered.loudness.true_peak_db == peak


def test_a_target_out_of_reach_is_approached_not_forced(tmp_path: Path) -> None:
    clips = spoken(3)
    wanted = -12 - measure([clip.read().samples for clip in clips if clip.read], RATE).lufs  # type: ignore[operator]
    loudness = master(clips, tmp_path / "chapter.m4a", MasteringSettings(lufs=-12)).loudness
    assert loudness.gain_db < wanted + 7


def test_the_result_is_mono_aac_at_the_rate_asked_for(tmp_path: Path) -> None:
    master(spoken(2), tmp_path / "chapter.m4a", PLAIN)
    seen = probe(tmp_path / "chapter.m4a")
    assert (seen.codec, seen.sample_rate, seen.channels) == ("aac", 44_100, 1)


def test_every_clip_lies_where_it_is_said_to(tmp_path: Path) -> None:
    hertz = [300, 500, 700, 900, 1100, 1300]
    clips = [clip(joined(silence(0.3), tone(f, 0.8), silence(0.2))) for f in hertz]
    out = tmp_path / "chapter.m4a"
    mastered = master(clips, out, PLAIN)
    samples = heard(out)
    for f, placed in zip(hertz, mastered.placed, strict=True):
        inside = samples[round(placed.start_s * 44_100) : round(placed.end_s * 44_100)]
        spectrum = np.abs(np.fft.rfft(inside))
        assert spectrum.argmax() * 44_100 / len(inside) == pytest.approx(f, abs=2)
        onset = int(np.flatnonzero(np.abs(inside) > 0.5 * np.abs(inside).max())[0])
        assert placed.trimmed_s + onset / 44_100 == pytest.approx(0.3, abs=0.002)
        before = samples[round((placed.start_s - 0.2) * 44_100) : round((placed.start_s - 0.05) * 44_100)]
        assert np.abs(before).max() < 0.01


def test_the_length_promised_is_the_length_of_the_file(tmp_path: Path) -> None:
    for number, length in enumerate([1, 1023, 1024, 1025, 70_001]):
        out = tmp_path / f"{number}.m4a"
        take = Audio(np.full(length, 0.1, np.float32), 44_100)
        mastered = master([clip(take)], out, MasteringSettings(head_s=0, tail_s=0))
        assert round(mastered.duration_s * 44_100) == length
        assert len(heard(out)) == length
        assert probe(out).duration_s == pytest.approx(mastered.duration_s, abs=1e-5)


@pytest.mark.parametrize("clips", [[], [Clip(None, "scene")], [clip(silence(1)), clip(silence(2))]])
def test_a_silent_chapter_is_silent_and_has_no_loudness(clips: Sequence[Clip], tmp_path: Path) -> None:
    out = tmp_path / "chapter.m4a"
    mastered = master(clips, out, PLAIN)
    assert mastered.loudness.lufs is None
    assert mastered.loudness.gain_db == 0.0
    assert mastered.loudness.noise_floor_db is None
    assert len(mastered.placed) == len(clips)
    assert np.abs(heard(out)).max() < 1e-4


def test_a_chapter_without_a_single_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="no audio"):
        master([], tmp_path / "chapter.m4a", MasteringSettings(head_s=0, tail_s=0))


def test_a_chapter_of_one_short_word_reaches_the_target(tmp_path: Path) -> None:
    loudness = master([clip(tone(300, 0.15))], tmp_path / "chapter.m4a", PLAIN).loudness
    assert loudness.lufs == pytest.approx(-19.0, abs=0.5)


def test_digital_silence_between_the_takes_has_no_noise_floor_and_room_tone_has(tmp_path: Path) -> None:
    out = tmp_path / "chapter.m4a"
    assert master(spoken(2), out, PLAIN).loudness.noise_floor_db is None
    room = Audio(speech(8).samples + tone(100, 8, level=0.0005).samples, RATE)
    tight = MasteringSettings(head_s=0, tail_s=0)
    floor = master([clip(joined(room, tone(100, 2, level=0.002), room))], out, tight).loudness.noise_floor_db
    assert floor is not None
    assert -70 < floor < -30


def test_mastering_again_gives_the_same_bytes(tmp_path: Path) -> None:
    master(spoken(3), tmp_path / "one.m4a", PLAIN)
    master(spoken(3), tmp_path / "two.m4a", PLAIN)
    assert (tmp_path / "one.m4a").read_bytes() == (tmp_path / "two.m4a").read_bytes()


def test_takes_at_different_rates_meet_in_one_chapter(tmp_path: Path) -> None:
    clips = [clip(tone(440, 1.0, rate)) for rate in (16_000, 22_050, 24_000, 48_000)]
    mastered = master(clips, tmp_path / "chapter.m4a", PLAIN)
    assert [round(placed.end_s - placed.start_s, 4) for placed in mastered.placed] == [1.0] * 4


def test_progress_rises_to_one_and_what_it_raises_leaves_no_file(tmp_path: Path) -> None:
    told: list[float] = []
    master(spoken(4), tmp_path / "chapter.m4a", PLAIN, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0

    def stop(done: float) -> None:
        if done > 0.3:
            raise InterruptedError

    out = tmp_path / "stopped.m4a"
    with pytest.raises(InterruptedError):
        master(spoken(4), out, PLAIN, stop)
    assert os.listdir(tmp_path) == ["chapter.m4a"]


def test_a_take_that_cannot_be_read_leaves_no_file(tmp_path: Path) -> None:
    def missing() -> Audio:
        raise Rejected("The take is gone. Render it again.")

    with pytest.raises(Rejected, match="gone"):
        master([*spoken(1), Clip(missing)], tmp_path / "chapter.m4a", PLAIN)
    assert os.listdir(tmp_path) == []


def test_the_mp3_comes_from_the_takes_with_the_same_gain(tmp_path: Path) -> None:
    mastered = master(spoken(4), tmp_path / "chapter.m4a", PLAIN)
    metadata = {"title": "第一回", "artist": "曹雪芹", "track": "1/12"}
    out = tmp_path / "chapter.mp3"
    loudness = encode_mp3(spoken(4), mastered.loudness.gain_db, out, PLAIN, metadata)
    seen = probe(out)
    assert (seen.codec, seen.sample_rate, seen.channels) == ("mp3float", 44_100, 1)
    assert seen.bit_rate == pytest.approx(192_000, rel=0.02)
    assert {name: seen.tags[name] for name in metadata} == metadata
    assert seen.duration_s == pytest.approx(mastered.duration_s, abs=0.06)
    assert loudness.lufs == pytest.approx(-19.0, abs=0.5)
    assert loudness.true_peak_db is not None
    assert loudness.true_peak_db <= -3.0
    aac, mp3 = heard(tmp_path / "chapter.m4a"), heard(out)
    both = min(len(aac), len(mp3))
    assert np.corrcoef(aac[:both], mp3[:both])[0, 1] > 0.99


def test_memory_does_not_grow_with_the_chapter(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            master([Clip(lambda: tone(300, 5.0))] * count, tmp_path / "chapter.m4a", PLAIN)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)
    assert peak(24) < 1.1 * peak(4)


def test_what_the_limiter_takes_is_given_beforehand(tmp_path: Path) -> None:
    """Speech with sharp peaks, as espeak's: the loudness is reached at the first encoding."""
    peaky = [Clip(lambda at=at: spiked(at), "sentence") for at in range(12)]  # type: ignore[misc]
    loudness = master(peaky, tmp_path / "chapter.m4a", MasteringSettings()).loudness
    assert loudness.limited_s > 0.1
    assert loudness.lufs == pytest.approx(-19.0, abs=0.25)


def spiked(seed: int) -> Audio:
    samples = 0.06 * np.random.default_rng(seed).standard_normal(3 * RATE).astype(np.float32)
    samples[:: RATE // 40] *= 12
    return Audio(np.clip(samples, -1, 1), RATE)
