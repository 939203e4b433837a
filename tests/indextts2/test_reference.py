from functools import cache

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from farm.engine import Audio
from models.indextts2 import recording, reference
from models.indextts2.config import Config, MelConfig
from tests.indextts2 import truth


@cache
def features() -> dict[str, Tensor]:
    return truth.tensors("frontend")


@cache
def pipeline() -> dict[str, Tensor]:
    return truth.tensors("pipeline_default")


@cache
def spoken() -> Audio:
    return recording.decode(recording.read(truth.path("spk_24k.wav")))


def mel_config(name: str = "pipeline_config") -> MelConfig:
    return Config.parse(yaml.safe_load(truth.path(f"{name}.yaml").read_text())).mel


def noise(seconds: float, rate: int) -> Audio:
    random = np.random.default_rng(3)
    return Audio(random.standard_normal(round(seconds * rate)).astype(np.float32) * 0.1, rate)


def test_the_filter_banks_are_the_published_ones() -> None:
    banks = np.load(truth.path("filters.npz"))

    truth.near(reference.slaney_bank(mel_config()), torch.from_numpy(banks["librosa_mel_22050"]), 1e-6)
    truth.near(reference.kaldi_bank(), torch.from_numpy(banks["seamless_mel"]))


def test_the_mel_of_the_official_config_is_the_one_of_the_fixtures() -> None:
    assert mel_config("official_config") == mel_config()


def test_the_two_signals_of_a_recording_are_the_reference_s_to_the_last_bit() -> None:
    assert torch.equal(reference.speaker_signal(spoken()), pipeline()["loaded_audio"])
    assert torch.equal(reference.emotion_signal(spoken()), pipeline()["loaded_audio#1"])


def test_the_second_resampling_is_the_reference_s_to_the_last_bit() -> None:
    assert torch.equal(reference.downsampled(features()["wav22k"]), features()["wav16k"])


@pytest.mark.parametrize("samples", [441, 442, 881, 882, 5000, 5001])
def test_the_second_resampling_keeps_a_constant_and_rounds_lengths_up(samples: int) -> None:
    resampled = reference.downsampled(torch.ones(1, samples))

    assert resampled.shape == (1, -(-samples * 320 // 441))
    assert (resampled[:, 20:-20] - 1).abs().max() < 2e-3


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_only_fifteen_seconds_are_heard_and_what_follows_them_changes_nothing(rate: int) -> None:
    long = noise(20, rate)
    short = Audio(long.samples[: 16 * rate], rate)

    for signal, wanted in ((reference.speaker_signal, 330_750), (reference.emotion_signal, 240_000)):
        assert signal(short).shape == (1, wanted)
        assert torch.equal(signal(long), signal(short))


def test_seamless_features_of_an_even_number_of_frames() -> None:
    found, mask = reference.seamless(features()["wav16k"])

    truth.near(found, features()["seamless_features"])
    assert torch.equal(mask, features()["seamless_mask"])


def test_seamless_features_of_an_odd_number_of_frames_end_in_one_that_is_masked() -> None:
    found, mask = reference.seamless(features()["wav16k"][:, :-160])

    truth.near(found, features()["seamless_features_odd"])
    assert torch.equal(mask, features()["seamless_mask_odd"])
    assert mask[0, -1] == 0


def test_both_paths_of_a_recording_to_the_features() -> None:
    signals = (
        reference.downsampled(reference.speaker_signal(spoken())),
        reference.emotion_signal(spoken()),
    )
    for signal, which in zip(signals, ("", "#1"), strict=True):
        found, mask = reference.seamless(signal)
        truth.near(found, pipeline()[f"seamless_features{which}"])
        assert torch.equal(mask, pipeline()[f"seamless_mask{which}"])


def test_the_reference_mel() -> None:
    truth.near(reference.mel(features()["wav22k"], mel_config()), features()["ref_mel"])
    truth.near(reference.mel(reference.speaker_signal(spoken()), mel_config()), pipeline()["ref_mel"])


def test_kaldi_s_filter_bank_energies() -> None:
    truth.near(reference.fbank(features()["wav16k"])[0], features()["kaldi_fbank_cmn"])
    signal = reference.downsampled(reference.speaker_signal(spoken()))
    truth.near(reference.fbank(signal), pipeline()["fbank_cmn"])
