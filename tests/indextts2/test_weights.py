"""What is read of an official checkpoint's files, and what is refused."""

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from farm.errors import Rejected
from models.indextts2.config import read, read_bigvgan
from models.indextts2.fingerprint import fingerprint
from models.indextts2.layout import find
from models.indextts2.parts import PARTS
from models.indextts2.shapes import expected
from models.indextts2.tensor_files import load
from models.indextts2.weights import Reader, Reading, differences, fold, unwrapped
from tests.indextts2 import truth, variants

DEPTH = 5
SMALL = ("dit", "regulator", "latent_projection", "codec", "bigvgan", "stats", "bank")
"""Parts that are read in a moment."""


@pytest.fixture
def variant(checkpoint: Path, tmp_path: Path) -> Path:
    return variants.copy(checkpoint, tmp_path / "variant")


def reader(directory: Path, *leave_out: str) -> Reader:
    return Reader(find(directory).files, DEPTH, leave_out)


def wrong(directory: Path, name: str, *leave_out: str) -> list[str]:
    """What keeps the part from being loaded."""
    found = reader(directory, *leave_out).read(name).shapes()
    config = read(directory)
    bigvgan = read_bigvgan(find(directory).files["bigvgan_config"])
    return list(differences(expected(name, config, bigvgan, found), found))


def named(directory: Path, *names: str) -> str:
    """The fingerprint of some parts."""
    opened = reader(directory)
    return fingerprint({name: opened.read(name) for name in names or SMALL}, {}, lambda _: None)


@pytest.mark.parametrize("name", PARTS)
def test_every_key_of_a_part_is_taken_or_left_out_for_a_reason(checkpoint: Path, name: str) -> None:
    assert wrong(checkpoint, name) == []


def test_what_inference_does_not_read_is_left_out_by_name(checkpoint: Path) -> None:
    opened = reader(checkpoint)
    left_out = {name: opened.read(name).left_out for name in PARTS}
    assert "text" in left_out["gpt"]["text_head.weight"]
    assert left_out["conditioning"].keys() == {
        "conditioning_encoder.embed.pos_enc.pe",
        "emo_conditioning_encoder.embed.pos_enc.pe",
    }
    assert all(key.startswith("decoder.") for key in left_out["codec"])
    skips = {key for key in left_out["dit"] if "skip_in_linear" in key}
    assert {int(key.split(".")[3]) for key in skips} == {0, 1, 2}
    assert left_out["regulator"].keys() == {"embedding.weight", "mask_token"}
    assert all(".layers.17." in key for key in left_out["w2v"] if key != "masked_spec_embed")


def test_the_gpt_file_is_read_as_two_parts_that_share_no_key(checkpoint: Path) -> None:
    opened = reader(checkpoint)
    conditioning, gpt = opened.read("conditioning").tensors, opened.read("gpt").tensors
    assert not conditioning.keys() & gpt.keys()
    assert {"emovec_layer.weight", "emo_layer.bias", "perceiver_encoder.latents"} <= conditioning.keys()
    assert {"speed_emb.weight", "mel_head.weight", "gpt.h.1.attn.c_attn.weight"} <= gpt.keys()


@pytest.mark.parametrize(
    "layer", [nn.Conv1d(3, 5, 4), nn.ConvTranspose1d(3, 5, 4), nn.Linear(3, 5), nn.Conv2d(3, 5, 2)]
)
def test_weight_norm_is_folded_into_what_torch_computes_with(layer: nn.Module) -> None:
    net = nn.Sequential(parametrizations.weight_norm(layer))
    with torch.no_grad():
        net[0].parametrizations.weight.original0.mul_(1.7)
    folded = fold(unwrapped(net.state_dict()))
    assert folded.keys() == {"0.weight", "0.bias"}
    truth.near(folded["0.weight"], layer.weight.detach(), 1e-6)


def test_a_transposed_convolution_is_normed_over_its_input_channels() -> None:
    g, v = torch.tensor([2.0, 3.0]).view(2, 1, 1), torch.ones(2, 4, 1)
    assert fold({"up.weight_g": g, "up.weight_v": v})["up.weight"][:, 0, 0].tolist() == [1.0, 1.5]


def test_half_a_pair_is_no_weight(variant: Path) -> None:
    def torn(content: dict[str, Any]) -> dict[str, Any]:
        del content["generator"]["conv_pre.weight_g"]
        return content

    variants.change(variant / "hf_cache/bigvgan/bigvgan_generator.pt", torn)
    assert wrong(variant, "bigvgan") == [
        "conv_pre.weight missing",
        "conv_pre.weight_v unknown to this version",
    ]


def test_a_vocoder_that_was_published_folded_is_read_as_it_is(checkpoint: Path, variant: Path) -> None:
    variants.change(
        variant / "hf_cache/bigvgan/bigvgan_generator.pt",
        lambda content: {"generator": fold(content["generator"])},
    )
    assert wrong(variant, "bigvgan") == []
    paired, folded = (reader(path).read("bigvgan").state() for path in (checkpoint, variant))
    assert all(torch.equal(folded[key], tensor) for key, tensor in paired.items())


def bare_gpt(content: dict[str, Any]) -> object:
    return content["model"]


def wrapped_gpt(content: dict[str, Any]) -> object:
    keys = {
        key.replace("gpt.h.", "_fsdp_wrapped_module.gpt.h."): value for key, value in content["model"].items()
    }
    return {"model": variants.prefixed(dict(reversed(keys.items())), "module."), "epoch": 3}


@pytest.mark.parametrize("changed", [bare_gpt, wrapped_gpt])
def test_wrappers_and_prefixes_of_the_gpt_change_nothing(
    checkpoint: Path, variant: Path, changed: Callable[[dict[str, Any]], object]
) -> None:
    variants.change(variant / "gpt.pth", changed)
    assert wrong(variant, "gpt") == wrong(variant, "conditioning") == []
    assert named(variant, "gpt", "conditioning") == named(checkpoint, "gpt", "conditioning")


def test_optimiser_moments_beside_the_nets_are_named_and_left(checkpoint: Path, variant: Path) -> None:
    def trained(content: dict[str, Any]) -> object:
        nets = {name: variants.prefixed(net, "module.") for name, net in content["net"].items()}
        return {
            "net": {**nets, "style_encoder": {}},
            "optimizer": {"cfm": {"exp_avg": torch.ones(4)}},
            "epoch": 7,
        }

    variants.change(variant / "s2mel.pth", trained)
    left_out = reader(variant).read("dit").left_out
    assert {"optimizer", "epoch", "net.style_encoder"} <= left_out.keys()
    assert wrong(variant, "dit") == []
    assert named(variant) == named(checkpoint)


def test_a_key_that_nobody_knows_is_an_error_that_names_it_unless_it_was_asked_to_be_left(
    variant: Path,
) -> None:
    def grown(content: dict[str, Any]) -> object:
        content["net"]["cfm"]["estimator.surprise.weight"] = torch.ones(2)
        return content

    variants.change(variant / "s2mel.pth", grown)
    assert wrong(variant, "dit") == ["surprise.weight unknown to this version"]
    assert wrong(variant, "dit", "estimator.surprise.*") == []
    assert "leave-out" in reader(variant, "*surprise*").read("dit").left_out["estimator.surprise.weight"]


def test_a_missing_and_an_ill_shaped_key_are_named(variant: Path) -> None:
    def damaged(content: dict[str, Any]) -> object:
        regulator = content["net"]["length_regulator"]
        del regulator["model.4.bias"]
        regulator["model.12.weight"] = regulator["model.12.weight"][:-1].clone()
        return content

    variants.change(variant / "s2mel.pth", damaged)
    assert wrong(variant, "regulator") == [
        "model.4.bias missing",
        "model.12.weight is (63, 64, 1), not (64, 64, 1)",
    ]


def test_one_key_in_two_spellings_is_refused(variant: Path) -> None:
    variants.change(
        variant / "gpt.pth",
        lambda content: {**content["model"], "module.mel_head.bias": content["model"]["mel_head.bias"]},
    )
    with pytest.raises(Rejected, match=r"mel_head\.bias twice"):
        reader(variant).read("gpt")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("dit", "estimator.t_embedder.freqs"),
        ("dit", "estimator.input_pos"),
        ("bigvgan", "activation_post.upsample.filter"),
        ("conditioning", "conditioning_encoder.embed.pos_enc.pe"),
    ],
)
def test_a_computed_table_that_is_not_what_its_formula_gives_is_refused(
    variant: Path, name: str, key: str
) -> None:
    def bent(content: dict[str, Any]) -> object:
        state = {"dit": lambda: content["net"]["cfm"], "bigvgan": lambda: content["generator"]}
        table = state.get(name, lambda: content["model"])()[key]
        table.view(-1)[3] += 1 if table.dtype == torch.int64 else 0.01
        return content

    paths = {
        "dit": "s2mel.pth",
        "bigvgan": "hf_cache/bigvgan/bigvgan_generator.pt",
        "conditioning": "gpt.pth",
    }
    variants.change(variant / paths[name], bent)
    with pytest.raises(Rejected, match=key):
        reader(variant).read(name)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_in_it_is_refused_and_nothing_runs(tmp_path: Path, zipped: bool) -> None:
    path, harm = tmp_path / "gpt.pth", tmp_path / "harm"
    variants.write(
        path, {"model": {"a": torch.ones(2), "b": Bomb(harm)}}, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(Rejected, match=r"gpt\.pth holds code \(posix\.mkdir\)"):
        load(path)
    assert not harm.exists()


def shortened(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def packed(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def pointed(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3484402556\n")


def scribbled(path: Path) -> None:
    path.write_bytes(b"<html>404</html>" * 100)


@pytest.mark.parametrize(
    ("damage", "says", "zipped"),
    [
        (packed, "is packed", True),
        (shortened, "not downloaded to its end", True),
        (shortened, "not downloaded to its end", False),
        (emptied, "Download it again", True),
        (pointed, "Git LFS", True),
        (scribbled, "Download it again", True),
    ],
)
def test_a_damaged_file_is_refused_by_name(
    tmp_path: Path, damage: Callable[[Path], None], says: str, zipped: bool
) -> None:
    path = tmp_path / "gpt.pth"
    variants.write(path, {"a": torch.ones(9999)}, _use_new_zipfile_serialization=zipped)
    damage(path)
    with pytest.raises(Rejected, match=says) as refused:
        load(path)
    assert "gpt.pth" in str(refused.value)


@pytest.mark.parametrize("damage", [shortened, emptied, pointed, scribbled])
def test_damaged_safetensors_are_refused_by_name(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "model.safetensors"
    variants.save_file({"a": torch.ones(9999)}, path)
    damage(path)
    with pytest.raises(Rejected, match=r"model\.safetensors"):
        load(path)


def test_a_file_in_torchs_old_format_is_read(checkpoint: Path, variant: Path) -> None:
    variants.change(variant / "hf_cache/campplus_cn_common.bin", dict, _use_new_zipfile_serialization=False)
    assert wrong(variant, "campplus") == []
    assert named(variant, "campplus") == named(checkpoint, "campplus")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (lambda content: content["net"], "no entry net"),
        (lambda content: {"net": {"cfm": content["net"]["cfm"]}}, r"no entry net\.length_regulator"),
        (lambda content: {"net": {"length_regulator": {"model.0.bias": [1.0]}}}, "no tensor"),
        (
            lambda content: {"net": {"length_regulator": {"model.0.bias": torch.ones(64).to_sparse()}}},
            "unusual",
        ),
        (
            lambda content: {"net": {"length_regulator": {"model.0.bias": torch.ones(64).int()}}},
            "whole numbers",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_refused(
    variant: Path, changed: Callable[[Any], object], says: str
) -> None:
    variants.change(variant / "s2mel.pth", changed)
    with pytest.raises(Rejected, match=says):
        reader(variant).read("regulator")


def test_the_fingerprint_does_not_depend_on_how_files_are_laid_out(checkpoint: Path, variant: Path) -> None:
    variants.change(
        variant / "hf_cache/bigvgan/bigvgan_generator.pt",
        lambda content: dict(reversed(content["generator"].items())),
    )
    codec = variant / "hf_cache/semantic_codec_model.safetensors"
    variants.change_safetensors(codec, lambda state: dict(reversed(state.items())))
    codec.rename(variant / "semantic_codec_model.safetensors")
    (variant / "hf_cache/bigvgan").rename(variant / "bigvgan_v2_22khz_80band_256x")
    assert named(variant) == named(checkpoint)


def one_bit(tensor: Tensor) -> None:
    flat = tensor.view(-1)
    flat[-1] = torch.nextafter(flat[-1], torch.tensor(9.0))


@pytest.mark.parametrize("name", ["codec", "stats", "bank"])
def test_one_changed_value_is_another_fingerprint(checkpoint: Path, variant: Path, name: str) -> None:
    def nudged(content: Any) -> object:
        one_bit(content if isinstance(content, Tensor) else next(iter(content.values())))
        return content

    if name == "codec":
        variants.change_safetensors(variant / "hf_cache/semantic_codec_model.safetensors", nudged_encoder)
    else:
        variants.change(variant / {"stats": "wav2vec2bert_stats.pt", "bank": "feat2.pt"}[name], nudged)
    assert named(variant, name) != named(checkpoint, name)


def nudged_encoder(state: dict[str, Tensor]) -> Mapping[str, Tensor]:
    one_bit(state["encoder.1.bias"])
    return state


def test_a_value_that_inference_does_not_read_is_not_in_the_fingerprint(
    checkpoint: Path, variant: Path
) -> None:
    def nudged(state: dict[str, Tensor]) -> Mapping[str, Tensor]:
        one_bit(state["decoder.1.bias"])
        return state

    variants.change_safetensors(variant / "hf_cache/semantic_codec_model.safetensors", nudged)
    assert named(variant, "codec") == named(checkpoint, "codec")


def test_the_dtype_and_the_numbers_are_in_the_fingerprint() -> None:
    def of(tensor: Tensor, **settings: object) -> str:
        return fingerprint({"gpt": Reading({"a": tensor}, {})}, settings, lambda _: None)

    ones = torch.ones(2)
    assert len({of(ones), of(ones.half()), of(torch.ones(2, 1)), of(ones, heads=20), of(ones, heads=16)}) == 5


def test_a_value_that_is_no_number_is_refused_by_name() -> None:
    bad = torch.ones(3)
    bad[1] = float("nan")
    with pytest.raises(Rejected, match=r"gpt: mel_head\.bias"):
        fingerprint({"gpt": Reading({"mel_head.bias": bad}, {})}, {}, lambda _: None)


def test_progress_counts_the_bytes_of_what_is_read(checkpoint: Path) -> None:
    told: list[int] = []
    reading = reader(checkpoint).read("codec")
    fingerprint({"codec": reading}, {}, told.append)
    assert sum(told) == sum(tensor.nbytes for tensor in reading.tensors.values())


def test_the_tensors_of_a_part_are_those_of_the_file(checkpoint: Path) -> None:
    disk = load_file(checkpoint / "hf_cache/w2v-bert-2.0/model.safetensors")
    part = reader(checkpoint).read("w2v").state()
    assert all(torch.equal(part[key], disk[key]) for key in part)
