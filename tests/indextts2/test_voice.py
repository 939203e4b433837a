import gc
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from farm.errors import Rejected
from models.indextts2.checkpoint import Official
from models.indextts2.parts import PARTS
from models.indextts2.voice import Listener, Voice, key
from tests.indextts2 import truth
from tests.indextts2.test_recording import tone, wav

HEARD_BY = {"stats", "w2v", "codec", "campplus", "conditioning", "regulator"}


class Counted:
    """The parts of a checkpoint, and how often each was asked for."""

    def __init__(self, checkpoint: Official) -> None:
        self.asked: list[str] = []
        self._checkpoint = checkpoint

    def part(self, name: str) -> Mapping[str, Tensor]:
        self.asked.append(name)
        return self._checkpoint.part(name)


@pytest.fixture(scope="module")
def official(checkpoint: Path) -> Official:
    return Official(checkpoint)


@pytest.fixture(scope="module")
def listener(official: Official) -> Iterator[Listener]:
    listener = Listener(official, official.config)
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def voice(listener: Listener) -> Voice:
    return listener.hear(truth.path("spk_24k.wav"))


def equal(one: Voice, other: Voice) -> bool:
    return all(torch.equal(tensor, vars(other)[name]) for name, tensor in vars(one).items())


def test_the_print_of_a_recording_is_what_the_reference_computes_of_it(voice: Voice) -> None:
    known = truth.tensors("pipeline_default")

    truth.near(voice.style, known["style"][0])
    truth.near(voice.mel, known["ref_mel"][0])
    truth.near(voice.condition, known["length_regulator_out"][0])
    truth.near(voice.conditioning, known["gpt_conditioning"][0])
    truth.near(voice.own + 1.0 * (voice.echo - voice.own), known["merged_emovec"][0])


def test_a_recording_heard_as_its_own_emotion_is_its_echo(listener: Listener, voice: Voice) -> None:
    assert torch.equal(listener.feel(truth.path("spk_24k.wav")), voice.echo)
    assert truth.error(voice.own, voice.echo) > 1e-4  # another resampler


def test_another_recording_has_another_emotion(listener: Listener, voice: Voice) -> None:
    felt = listener.feel(truth.path("emo_44k.wav"))

    assert felt.shape == voice.echo.shape
    assert truth.error(felt, voice.echo) > 1e-2


def test_bytes_and_the_file_that_holds_them_are_heard_alike(listener: Listener, voice: Voice) -> None:
    assert equal(listener.hear(truth.path("spk_24k.wav").read_bytes()), voice)


def test_a_print_is_float32_on_the_processor(voice: Voice, official: Official) -> None:
    assert voice.fits(official.config)
    assert not any(tensor.is_cuda or tensor.requires_grad for tensor in vars(voice).values())


def test_the_shortest_recording_has_a_print(listener: Listener, official: Official) -> None:
    assert listener.hear(wav(tone(0.25))).fits(official.config)


def test_a_recording_too_loud_to_compute_with_is_rejected(listener: Listener) -> None:
    with pytest.raises(Rejected, match="too loud"):
        listener.hear(wav(tone(1) * np.float32(1e30)))


def test_nothing_is_loaded_before_it_is_needed_and_nothing_twice(official: Official) -> None:
    parts = Counted(official)
    listener = Listener(parts, official.config)
    with pytest.raises(Rejected):
        listener.feel(b"no audio")
    assert parts.asked == []

    listener.feel(truth.path("emo_44k.wav"))
    assert sorted(parts.asked) == ["conditioning", "stats", "w2v"]

    listener.hear(truth.path("spk_24k.wav"))
    assert sorted(parts.asked) == sorted(HEARD_BY)


def test_a_print_does_not_depend_on_the_engine_s_precision() -> None:
    assert not any(PARTS[name].halved for name in HEARD_BY)


def test_closing_frees_the_nets_and_hearing_loads_them_again(official: Official, voice: Voice) -> None:
    listener = Listener(official, official.config)
    listener.hear(truth.path("spk_24k.wav"))
    nets = [weakref.ref(net) for net in vars(listener)["_nets"].values()]
    assert len(nets) == 5

    listener.close()

    gc.collect()
    assert [net() for net in nets] == [None] * 5
    assert equal(listener.hear(truth.path("spk_24k.wav")), voice)


def test_listening_leaves_torch_as_it_was(listener: Listener) -> None:
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision(), torch.is_grad_enabled()

    listener.feel(truth.path("emo_44k.wav"))

    after = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision(), torch.is_grad_enabled()
    assert after == before


def test_a_print_is_named_by_the_recording_and_by_the_weights() -> None:
    assert key(b"a", "weights") == key(b"a", "weights")
    assert len({key(b"a", "weights"), key(b"b", "weights"), key(b"a", "other weights")}) == 3


def test_a_print_comes_back_from_its_file_as_it_was(voice: Voice, official: Official, tmp_path: Path) -> None:
    voice.save(tmp_path / "voice")
    voice.save(tmp_path / "voice")

    assert equal(Voice.load(tmp_path / "voice", official.config), voice)
    assert [path.name for path in tmp_path.iterdir()] == ["voice"]


def without(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {each: tensor for each, tensor in tensors.items() if each != name}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tensors: without(tensors, "style"),
        lambda tensors: tensors | {"more": torch.zeros(1)},
        lambda tensors: tensors | {"mel": tensors["mel"][:, :-1].contiguous()},
        lambda tensors: tensors | {"mel": torch.zeros(80, 0), "condition": torch.zeros(0, 64)},
        lambda tensors: tensors | {"mel": torch.zeros(80, 1300), "condition": torch.zeros(1300, 64)},
        lambda tensors: tensors | {"mel": torch.zeros(())},
        lambda tensors: tensors | {"own": tensors["own"].half()},
        lambda tensors: tensors | {"style": torch.full((192,), torch.nan)},
    ],
)
def test_a_file_that_is_no_print_of_these_weights_is_refused(
    voice: Voice, official: Official, tmp_path: Path, spoil: object
) -> None:
    assert callable(spoil)
    safetensors.torch.save_file(spoil(dict(vars(voice))), tmp_path / "voice")

    with pytest.raises(Rejected, match="Delete it"):
        Voice.load(tmp_path / "voice", official.config)


@pytest.mark.parametrize("data", [b"", b"\x80\x04", b"\xff" * 8 + b"{}", bytes(100)])
def test_a_file_that_is_nothing_is_refused(official: Official, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "voice").write_bytes(data)

    with pytest.raises(Rejected, match="Delete it"):
        Voice.load(tmp_path / "voice", official.config)
