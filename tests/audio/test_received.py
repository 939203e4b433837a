"""Whatever file a person has of a voice is read; whatever a stranger makes of it is refused by name."""

import io
import struct
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from audio_signals import speech, tone

from farm.audio import received
from farm.audio.encode import encode, m4a, mp3
from farm.engine import Samples
from farm.errors import Rejected

RATE = 44_100
VOICE = speech(2, rate=RATE).samples


def written(
    samples: Samples, rate: int = RATE, *, format: str = "WAV", subtype: str = "PCM_16"
) -> io.BytesIO:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    return file


def refusal(content: bytes, name: str = "voice.wav") -> str:
    with pytest.raises(Rejected) as refused:
        received.read(io.BytesIO(content), name)
    return str(refused.value)


@pytest.mark.parametrize(
    ("format", "subtype", "title"),
    [
        ("WAV", "PCM_16", "WAV"),
        ("WAV", "PCM_24", "WAV"),
        ("WAV", "FLOAT", "WAV"),
        ("RF64", "PCM_16", "WAV"),
        ("FLAC", "PCM_24", "FLAC"),
        ("AIFF", "PCM_16", "AIFF"),
        ("OGG", "VORBIS", "OGG"),
        ("OGG", "OPUS", "OGG"),
        ("MP3", "MPEG_LAYER_III", "MP3"),
    ],
)
def test_the_usual_files_are_read(format: str, subtype: str, title: str) -> None:
    rate = 48_000 if subtype == "OPUS" else RATE
    heard = received.read(written(VOICE, rate, format=format, subtype=subtype), "voice")
    assert heard.format.title == title
    assert heard.audio.sample_rate == rate
    assert heard.seconds == pytest.approx(len(VOICE) / rate, abs=0.1)
    assert np.sqrt(np.mean(heard.audio.samples**2)) == pytest.approx(np.sqrt(np.mean(VOICE**2)), rel=0.05)


def test_what_phones_and_browsers_record_is_read(tmp_path: Path) -> None:
    encode([VOICE], RATE, tmp_path / "a.m4a", m4a(64_000, "fast", RATE))
    encode([VOICE], RATE, tmp_path / "a.mp3", mp3({}))
    webm = io.BytesIO()
    with av.open(webm, "w", format="webm") as container:
        track = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(VOICE[None, :], format="fltp", layout="mono")
        frame.sample_rate = 48_000
        for packet in [*track.encode(frame), *track.encode(None)]:
            container.mux(packet)
    for content in ((tmp_path / "a.m4a").read_bytes(), (tmp_path / "a.mp3").read_bytes(), webm.getvalue()):
        assert received.read(io.BytesIO(content), "voice").seconds == pytest.approx(1.9, abs=0.2)


def test_samples_are_read_to_the_last_bit_at_their_own_rate(data: Path) -> None:
    path = data / "indextts2" / "spk_24k.wav"
    with path.open("rb") as file:
        heard = received.read(file, path.name).audio
    samples, rate = soundfile.read(path, dtype="float32")
    assert heard.sample_rate == rate == 24_000
    assert np.array_equal(heard.samples, samples)


def test_channels_become_their_mean() -> None:
    both = np.stack([VOICE, 0.5 * VOICE, np.zeros_like(VOICE)], axis=1)
    heard = received.read(written(both, subtype="FLOAT"), "voice").audio.samples
    assert np.abs(heard - both.mean(axis=1)).max() < 1e-6


def test_a_higher_rate_than_is_of_use_is_lowered() -> None:
    heard = received.read(written(tone(1000, 1, rate=96_000).samples, 96_000), "voice").audio
    assert heard.sample_rate == 48_000
    assert heard.seconds == pytest.approx(1, abs=0.01)


def test_of_a_long_file_the_beginning_is_kept_and_the_length_told() -> None:
    hour = written(np.zeros(600 * 8_000, np.int16), 8_000, format="FLAC")
    heard = received.read(hour, "voice")
    assert heard.audio.seconds == received.KEPT_S
    assert heard.seconds == pytest.approx(600)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"<?xml version='1.0'?><MPD/>",
        b"MZ" + bytes(100),
        "Once upon a time".encode("utf-16"),
    ],
)
def test_what_is_no_sound_file_is_refused_whatever_it_is_called(content: bytes) -> None:
    assert "voice.wav is no sound file that is known here. Send WAV" in refusal(content)


@pytest.mark.parametrize("start", sorted({sign.rjust(at + len(sign)) for at, sign, _ in received.SIGNS}))
@pytest.mark.parametrize("rest", [b"", bytes(3000), b"\xff" * 3000, b"#EXTM3U\nfile:///etc/passwd\n" * 50])
def test_what_only_begins_like_a_sound_file_is_refused(start: bytes, rest: bytes) -> None:
    assert "cannot be read as" in (said := refusal(start + rest)) or "holds no sound" in said


def test_a_picture_in_a_films_clothes_holds_no_sound() -> None:
    film = io.BytesIO()
    with av.open(film, "w", format="mp4") as container:
        track = container.add_stream("mpeg4", rate=10, width=16, height=16, pix_fmt="yuv420p")
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8))
        for packet in [*track.encode(picture), *track.encode(None)]:
            container.mux(packet)
    assert "holds no sound" in refusal(film.getvalue())


def test_too_few_samples_a_second_too_many_channels_and_no_numbers_are_refused_by_name() -> None:
    assert "has 4000 samples a second" in refusal(written(VOICE, 4_000).getvalue())
    assert "has 12 channels" in refusal(written(np.zeros((4000, 12))).getvalue())
    strange = np.array([0.1, np.nan, np.inf] * 1000, np.float32)
    assert "samples that are not numbers" in refusal(written(strange, subtype="FLOAT").getvalue())


def test_a_codec_that_is_not_named_here_is_not_let_near() -> None:
    assert "holds sound as adpcm_ms" in refusal(written(VOICE, subtype="MS_ADPCM").getvalue())


def test_a_tag_that_is_no_text_is_no_hindrance() -> None:
    tagged = (
        written(VOICE).getvalue()
        + b"LIST"
        + struct.pack("<I", 16)
        + b"INFOINAM\x04\x00\x00\x00\xff\xfe\xc3\x28"
    )
    assert received.read(io.BytesIO(tagged), "voice").seconds == 2.0


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_a_file_that_breaks_off_is_read_as_far_as_it_goes_or_refused(share: float) -> None:
    whole = written(VOICE, format="FLAC").getvalue()
    cut = io.BytesIO(whole[: round(share * len(whole))])
    with suppress(Rejected):
        assert 0 < received.read(cut, "voice").seconds <= 2.0
