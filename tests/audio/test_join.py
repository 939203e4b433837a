"""Takes become a stream with exact lengths, trimmed and faded edges, and pauses by boundary."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from audio_signals import RATE, clip, joined, silence, speech, tone
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.audio.join import KEEP_S, PIECE, Clip, Piece, fade, join, resample, trim
from farm.audio.settings import PAUSES_MS, MasteringSettings
from farm.engine import Audio, Samples

PLAIN = MasteringSettings()


def stream(pieces: Sequence[Piece]) -> Samples:
    return np.concatenate([piece.samples for piece in pieces])


def test_silent_edges_are_trimmed_to_a_breath() -> None:
    take = joined(silence(0.7), tone(300, 1.0), silence(1.2))
    trimmed, cut_s = trim(take)
    assert cut_s == pytest.approx(0.7 - KEEP_S, abs=0.011)
    assert trimmed.seconds == pytest.approx(1.0 + 2 * KEEP_S, abs=0.021)


def test_a_soft_consonant_at_the_edge_is_kept() -> None:
    hiss = tone(5000, 0.15, level=0.3 * 10 ** (-40 / 20))
    take = joined(silence(0.3), hiss, tone(300, 1.0), silence(0.3))
    _, cut_s = trim(take)
    assert cut_s == pytest.approx(0.3 - KEEP_S, abs=0.011)


def test_a_hiss_behind_the_words_is_trimmed() -> None:
    hiss = tone(5000, 2.0, level=0.3 * 10 ** (-55 / 20))
    trimmed, _ = trim(joined(tone(300, 1.0), hiss))
    assert trimmed.seconds < 1.1


def test_a_take_in_which_nothing_is_audible_is_left_alone() -> None:
    trimmed, cut_s = trim(silence(0.5))
    assert (trimmed.seconds, cut_s) == (0.5, 0.0)


def test_a_take_without_samples_joins_as_nothing() -> None:
    pieces = list(join([clip(silence(0)), clip(tone(300, 1))], PLAIN))
    assert [piece.clip for piece in pieces if piece.clip is not None] == [0, 1]


def test_ends_fade_and_the_middle_is_untouched() -> None:
    faded = fade(Audio(np.ones(RATE, np.float32), RATE), 0.02).samples
    length = round(0.02 * RATE)
    assert faded[0] == 0.0
    assert np.all(np.diff(faded[:length]) > 0)
    assert np.array_equal(faded[length:-length], np.ones(RATE - 2 * length, np.float32))
    assert np.allclose(faded[:length], faded[::-1][:length])


def test_fading_does_not_change_the_take_that_was_given() -> None:
    take = tone(300, 0.5)
    before = take.samples.copy()
    fade(take, 0.02)
    assert np.array_equal(take.samples, before)


@pytest.mark.parametrize("boundary", PAUSES_MS)
def test_the_pause_is_that_of_the_boundary(boundary: str) -> None:
    settings = MasteringSettings(head_s=0, tail_s=0)
    take = tone(300, 1.0, 44_100)
    samples = stream(list(join([clip(take, boundary), clip(take)], settings)))
    assert len(samples) == 2 * 44_100 + PAUSES_MS[boundary] * 441 // 10


def test_head_and_tail_frame_the_chapter() -> None:
    take = tone(300, 1.0, 44_100)
    samples = stream(list(join([clip(take, "paragraph")], MasteringSettings(head_s=0.5, tail_s=2))))
    assert len(samples) == round(3.5 * 44_100)
    assert not samples[:22_050].any()
    assert not samples[-88_200:].any()


def test_pauses_that_meet_do_not_add_up() -> None:
    take = tone(300, 1.0, 44_100)
    settings = MasteringSettings(head_s=0, tail_s=0)
    pieces = list(join([clip(take, "paragraph"), Clip(None, "scene"), clip(take)], settings))
    assert len(stream(pieces)) == 2 * 44_100 + PAUSES_MS["scene"] * 441 // 10
    assert [piece.clip for piece in pieces if piece.clip is not None] == [0, 1, 2]


def test_a_clip_is_decoded_only_when_it_is_its_turn() -> None:
    read: list[int] = []

    def reader(number: int) -> Clip:
        return Clip(lambda: read.append(number) or tone(300, 0.2))  # type: ignore[func-returns-value]

    pieces = join([reader(0), reader(1)], PLAIN)
    next(piece for piece in pieces if piece.clip == 0)
    assert read == [0]


def test_no_piece_is_long_whatever_the_clip() -> None:
    pieces = list(join([clip(speech(20))], PLAIN))
    assert max(len(piece.samples) for piece in pieces) == PIECE
    first = next(piece for piece in pieces if piece.clip == 0)
    spoken = [piece for piece in pieces if piece.samples.any()]
    assert first.length == sum(len(piece.samples) for piece in spoken)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 30_000),
    st.sampled_from([8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]),
    st.sampled_from([22_050, 44_100, 48_000]),
)
def test_resampling_gives_exactly_the_length_that_it_should(length: int, old: int, new: int) -> None:
    resampled = resample(Audio(np.full(length, 0.1, np.float32), old), new)
    assert resampled.sample_rate == new
    assert len(resampled.samples) == round(Fraction(length * new, old))


@pytest.mark.parametrize("old", [22_050, 24_000, 48_000])
def test_resampling_neither_moves_nor_changes_the_sound(old: int) -> None:
    resampled = resample(tone(440, 1.0, old), 44_100).samples
    assert np.abs(resampled - tone(440, 1.0, 44_100).samples)[500:-500].max() < 1e-3


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 4000), st.sampled_from([22_050, 24_000, 44_100]), st.sampled_from([*PAUSES_MS])
        ),
        max_size=12,
    )
)
def test_the_length_of_a_chapter_is_the_sum_of_its_parts(parts: list[tuple[int, int, str]]) -> None:
    clips = [clip(Audio(np.full(length, 0.2, np.float32), rate), after) for length, rate, after in parts]
    spoken = sum(round(Fraction(length * 44_100, rate)) for length, rate, _ in parts)
    pauses = sum(round(PAUSES_MS[after] / 1000 * 44_100) for _, _, after in parts[:-1])
    ends = 22_050 + (88_200 if parts else 0)
    assert sum(len(piece.samples) for piece in join(clips, PLAIN)) == spoken + pauses + ends
