import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr

from farm.engine import Samples
from farm.errors import Rejected
from models.indextts2 import recording
from models.indextts2.recording import decode
from tests.indextts2 import truth

RATE = 24_000


def tone(seconds: float, rate: int = RATE) -> Samples:
    return (0.5 * np.sin(np.arange(round(seconds * rate)) * 0.1)).astype(np.float32)


def wav(samples: np.ndarray, rate: int = RATE, subtype: str = "FLOAT", kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=kind)
    return file.getvalue()


def encoded(container: str, codec: str, samples: Samples, rate: int) -> bytes:
    """As FFmpeg writes it, for the formats that libsndfile does not know."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        track = out.add_stream(codec, rate=rate, layout="mono")
        converter = av.AudioResampler(track.format, "mono", rate)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        for part in [*converter.resample(frame), *converter.resample(None)]:
            out.mux(track.encode(part))
        out.mux(track.encode(None))
    return file.getvalue()


def likeness(heard: Samples, said: Samples) -> float:
    """1 where they are the same but for a shift and a scale."""
    length = 2 * max(len(heard), len(said))
    products = np.fft.irfft(np.fft.rfft(heard, length) * np.conj(np.fft.rfft(said, length)), length)
    return float(np.abs(products).max() / np.linalg.norm(heard) / np.linalg.norm(said))


def test_a_recording_is_the_mean_of_its_channels() -> None:
    left, right = tone(1), np.linspace(-0.5, 0.5, RATE, dtype=np.float32)

    heard = decode(wav(np.stack([left, right], 1)))

    assert heard.sample_rate == RATE
    assert np.array_equal(heard.samples, (left + right) / 2)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16")],
)
def test_formats_that_libsndfile_knows(kind: str, subtype: str) -> None:
    said, rate = soundfile.read(truth.path("emo_44k.wav"), dtype="float32")

    heard = decode(wav(said, rate, subtype, kind))

    assert heard.sample_rate == rate
    assert heard.seconds == pytest.approx(len(said) / rate, abs=0.06)
    assert likeness(heard.samples, said) > 0.98


@pytest.mark.parametrize(
    ("container", "codec"), [("ipod", "aac"), ("webm", "libopus"), ("mov", "pcm_s16le"), ("adts", "aac")]
)
def test_formats_of_telephones_and_browsers(container: str, codec: str) -> None:
    said, _ = soundfile.read(truth.path("spk_24k.wav"), dtype="float32")

    heard = decode(encoded(container, codec, said, RATE))

    assert heard.seconds == pytest.approx(len(said) / RATE, abs=0.09)
    assert likeness(soxr.resample(heard.samples, heard.sample_rate, RATE), said) > 0.98


def test_a_file_is_read_as_its_bytes_are(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(data := wav(tone(1)))

    assert recording.read(tmp_path / "a.wav") == data


def test_no_more_is_decoded_than_is_heard() -> None:
    assert decode(wav(tone(40))).seconds == recording.LONGEST_S + recording.MARGIN_S


def test_a_list_of_other_files_is_no_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(truth.path("spk_24k.wav").parent)

    with pytest.raises(Rejected, match="no audio file"):
        decode(b"ffconcat version 1.0\nfile spk_24k.wav\n")


@pytest.mark.parametrize("data", [b"", b"hello" * 1000, b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(100)])
def test_what_is_no_audio_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(Rejected, match="no audio file"):
        decode(data)


def test_a_file_cut_short_is_heard_as_far_as_it_goes() -> None:
    data = wav(tone(2), subtype="PCM_16")

    assert decode(data[: len(data) // 2]).seconds == pytest.approx(1, abs=0.01)


def test_a_file_whose_table_of_contents_was_cut_off_is_said_to_be_damaged() -> None:
    data = encoded("ipod", "aac", tone(2), RATE)

    with pytest.raises(Rejected, match="damaged"):
        decode(data[: len(data) // 2])


def test_noise_in_place_of_a_file_never_ends_otherwise_than_in_a_refusal() -> None:
    random = np.random.default_rng(0)
    for head in (
        b"RIFF",
        b"fLaC",
        b"OggS",
        b"ID3\x04",
        b"\x1a\x45\xdf\xa3",
        b"\0\0\0\x20ftypM4A ",
        b"\xff\xf1",
    ):
        for _ in range(5):
            with pytest.raises(Rejected):
                decode(head + random.bytes(5000))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (wav(tone(0.2)), "lasts 0.20 s"),
        (wav(np.zeros(0, np.float32)), "no sound"),
        (wav(np.zeros(2 * RATE, np.float32)), "first 2 s of the recording are silent"),
        (wav(np.concatenate([np.zeros(15 * RATE, np.float32), tone(5)])), "first 15 s"),
        (wav(np.append(tone(1), np.float32("nan"))), "no numbers"),
        (wav(np.append(tone(15.5), np.float32("inf"))), "no numbers"),
        (wav(np.zeros((RATE, 17), np.float32)), "17 channels"),
        (wav(tone(1), 4_000), "4000 Hz"),
        (wav(tone(0.001), 2_000_000_000), "2000000000 Hz"),
    ],
)
def test_a_recording_that_no_voice_can_be_taken_from_is_rejected_by_name(data: bytes, said: str) -> None:
    with pytest.raises(Rejected, match=said):
        decode(data)


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("wb") as file:
        file.truncate(recording.LARGEST + 1)

    with pytest.raises(Rejected, match="more than 256 MB"):
        recording.read(tmp_path / "a.wav")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"gone\.wav"):
        recording.read(tmp_path / "gone.wav")
