"""A checkpoint of the official dimensions, in the layout of a download: 7 GB of disk, 4 GB of memory."""

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.indextts2 import recipe
from tests.indextts2.checkpoint import W2V

PIECES = 12_000
COMPUTED = (".pe", ".filter", ".freqs", ".input_pos")
STOP, ENDS = 8193, 3.5
"""The code that ends speech, and its bias: as likely as some five of the thirty that are drawn from."""
Fill = Callable[[str, list[int]], Tensor]


def drawn(key: str, shape: list[int]) -> Tensor:
    """As the fixtures' weights are, by torch, which is five times as fast. Speech ends after some codes."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    if key.endswith("running_var"):
        return torch.rand(shape, generator=generator) + 0.5
    noise = torch.randn(shape, generator=generator).numpy()
    tensor = torch.from_numpy(recipe.shaped(key, tuple(shape), noise))
    if key == "mel_head.bias":
        tensor[STOP] = ENDS
    return tensor


def build(directory: Path, fill: Fill = drawn) -> Path:
    """Write it file by file; tensors that upstream computes are computed. Returns `directory`."""
    hub = directory / "hf_cache"
    (hub / "w2v-bert-2.0").mkdir(parents=True)
    (hub / "bigvgan").mkdir()
    shutil.copy(recipe.DATA / "official_config.yaml", directory / "config.yaml")
    shutil.copy(recipe.DATA / "wav2vec2bert_stats.pt", directory)
    write_tokens(directory / "bpe.model")
    torch.save(recipe.draw("spk_matrix", (73, 192)), directory / "feat1.pt")
    torch.save(recipe.draw("emo_matrix", (73, 1280)), directory / "feat2.pt")
    torch.save(state("gpt", fill), directory / "gpt.pth")
    nets = ("cfm", "length_regulator", "gpt_layer")
    torch.save({"net": {net: state(f"s2mel.net.{net}", fill) for net in nets}}, directory / "s2mel.pth")
    save_file(state("semantic_codec", fill), hub / "semantic_codec_model.safetensors")
    torch.save(state("campplus_cn_common", fill), hub / "campplus_cn_common.bin")
    torch.save({"generator": state("bigvgan_generator", fill)}, hub / "bigvgan/bigvgan_generator.pt")
    save_file(state("w2v_bert_2_0", fill), hub / "w2v-bert-2.0/model.safetensors")
    vocoder = json.loads((recipe.DATA / "bigvgan_config.json").read_text())
    vocoder |= {"num_mels": 80, "upsample_initial_channel": 1536}
    (hub / "bigvgan/config.json").write_text(json.dumps(vocoder))
    numbers = W2V | {"num_hidden_layers": 24, "intermediate_size": 4096}
    (hub / "w2v-bert-2.0/config.json").write_text(json.dumps(numbers))
    return directory


def state(name: str, fill: Fill) -> dict[str, Tensor]:
    shapes = recipe.official(name)
    computed = recipe.state({key: shapes[key] for key in shapes if key.endswith(COMPUTED)}, name)
    return {key: computed[key] if key in computed else fill(key, shape) for key, shape in shapes.items()}


def write_tokens(path: Path) -> None:
    """The fixtures' small model with pieces behind its own: a protocol buffer grows by what is appended."""
    small = (recipe.DATA / "bpe.model").read_bytes()
    more = b""
    for number in range(PIECES - 191):
        word = f"\u2581Q{number}".encode()
        piece = bytes([0x0A, len(word)]) + word + b"\x15" + struct.pack("<f", -99.0)
        more += bytes([0x0A, len(piece)]) + piece
    path.write_bytes(small + more)
