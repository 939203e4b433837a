"""A whole small checkpoint in the layout of a download: 0.75 GB, official widths, few layers."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.indextts2.recipe import DATA, draw, manifest, state

W2V = {
    "model_type": "wav2vec2-bert",
    "architectures": ["Wav2Vec2BertModel"],
    "hidden_size": 1024,
    "num_hidden_layers": 18,
    "num_attention_heads": 16,
    "intermediate_size": 64,
    "feature_projection_input_dim": 160,
    "apply_spec_augment": False,
    "layerdrop": 0.0,
    "hidden_act": "swish",
    "layer_norm_eps": 1e-5,
    "position_embeddings_type": "relative_key",
    "left_max_position_embeddings": 64,
    "right_max_position_embeddings": 8,
    "conv_depthwise_kernel_size": 31,
    "torch_dtype": "float32",
}
EXTRACTOR = {
    "feature_extractor_type": "SeamlessM4TFeatureExtractor",
    "feature_size": 80,
    "num_mel_bins": 80,
    "padding_side": "right",
    "padding_value": 1,
    "return_attention_mask": True,
    "sampling_rate": 16000,
    "stride": 2,
}


def build(directory: Path) -> Path:
    """Write it, with the fixtures' weights. Returns `directory`."""
    hub = directory / "hf_cache"
    (hub / "w2v-bert-2.0").mkdir(parents=True)
    (hub / "bigvgan").mkdir()
    parts = {name: state(shapes, name) for name, shapes in manifest("pipeline").items()}
    parts["gpt"]["mel_head.bias"][parts["gpt"]["mel_head.bias"].numel() - 2] = -30.0  # never emit start
    shutil.copy(DATA / "pipeline_config.yaml", directory / "config.yaml")
    shutil.copy(DATA / "bpe.model", directory)
    shutil.copy(DATA / "wav2vec2bert_stats.pt", directory)
    torch.save({"model": parts["gpt"]}, directory / "gpt.pth")
    torch.save(
        {"net": {name: parts[name] for name in ("cfm", "length_regulator", "gpt_layer")}},
        directory / "s2mel.pth",
    )
    torch.save(draw("spk_matrix", (73, 192)) * 192**0.5, directory / "feat1.pt")
    torch.save(draw("emo_matrix", (73, 1280)) * 1280**0.5, directory / "feat2.pt")
    save_file(parts["codec"], hub / "semantic_codec_model.safetensors")
    torch.save(parts["campplus"], hub / "campplus_cn_common.bin")
    torch.save({"generator": parts["bigvgan"]}, hub / "bigvgan" / "bigvgan_generator.pt")
    save_file(parts["w2v"], hub / "w2v-bert-2.0" / "model.safetensors", metadata={"format": "pt"})
    vocoder = json.loads((DATA / "bigvgan_config.json").read_text()) | {"num_mels": 80}
    (hub / "bigvgan" / "config.json").write_text(json.dumps(vocoder))
    (hub / "w2v-bert-2.0" / "config.json").write_text(json.dumps(W2V))
    (hub / "w2v-bert-2.0" / "preprocessor_config.json").write_text(json.dumps(EXTRACTOR))
    return directory
