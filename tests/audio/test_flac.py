"""FLAC files keep what was spoken; what is not a sound take is refused by name."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_signals import RATE, speech, tone

from farm.audio.flac import read_audio, write_flac
from farm.engine import Audio
from farm.errors import Rejected


def test_what_was_written_is_read_back_to_16_bits(tmp_path: Path) -> None:
    take = speech(2)
    write_flac(tmp_path / "take.flac", take)
    back = read_audio(tmp_path / "take.flac")
    assert back.sample_rate == RATE
    assert back.samples.dtype == np.float32
    assert np.abs(back.samples - take.samples).max() <= 0.5 / 32768 + 1e-7


def test_files_in_memory_work_and_are_the_same_bytes_each_time() -> None:
    first, second = io.BytesIO(), io.BytesIO()
    write_flac(first, speech(1))
    write_flac(second, speech(1))
    assert first.getvalue() == second.getvalue()
    first.seek(0)
    assert read_audio(first).seconds == 1.0


def test_what_is_too_loud_is_held_at_full_scale_not_wrapped() -> None:
    file = io.BytesIO()
    write_flac(file, tone(300, 0.5, level=1.5))
    file.seek(0)
    samples = read_audio(file).samples
    assert samples.max() > 0.9999
    assert np.abs(np.diff(samples)).max() < 0.2


def test_samples_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(Rejected, match="not numbers"):
        write_flac(io.BytesIO(), Audio(np.array([0.0, np.nan], np.float32), RATE))


def test_wav_is_read_too_but_not_with_infinite_samples() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.array([0.0, np.inf], np.float32), RATE, format="WAV", subtype="FLOAT")
    file.seek(0)
    with pytest.raises(Rejected, match="not numbers"):
        read_audio(file)


@pytest.mark.parametrize(
    ("samples", "rate", "kind", "complaint"),
    [
        (np.zeros((RATE, 2), np.float32), RATE, "FLAC", "2 channels"),
        (np.zeros(RATE, np.float32), RATE, "OGG", "OGG"),
        (np.zeros(4000, np.float32), 4000, "WAV", "4000 Hz"),
        (np.zeros(8000 * 11, np.float32), 8000, "FLAC", "longer than 10"),
    ],
)
def test_the_wrong_kind_of_audio_is_refused_by_name(
    samples: np.ndarray, rate: int, kind: str, complaint: str
) -> None:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    file.seek(0)
    with pytest.raises(Rejected, match=complaint) as refusal:
        read_audio(file, name="take 7", longest_s=10)
    assert "take 7" in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"not audio at all", b"fLaC" + b"\xff" * 200, b"RIFF\0\0\0\0WAVE"])
def test_rubbish_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rubbish.flac"
    path.write_bytes(content)
    with pytest.raises(Rejected, match=r"rubbish\.flac"):
        read_audio(path)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    write_flac(path, speech(5))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Rejected, match=r"cut\.flac"):
        read_audio(path)


def test_a_header_that_promises_hours_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lie.flac"
    write_flac(path, speech(1))
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F  # the upper bits of the 36-bit sample count in STREAMINFO
    content[22:26] = b"\xff" * 4
    path.write_bytes(bytes(content))
    with pytest.raises(Rejected, match="longer than"):
        read_audio(path)


def test_a_header_that_promises_more_than_is_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lie.flac"
    write_flac(path, speech(1))
    content = bytearray(path.read_bytes())
    content[22:26] = (2 * RATE).to_bytes(4, "big")
    path.write_bytes(bytes(content))
    with pytest.raises(Rejected, match=r"lie\.flac"):
        read_audio(path)
