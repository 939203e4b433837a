"""w2v-BERT 2.0, as far as it is listened to: transformers' net, seventeen of its twenty-four layers.

Tw frames of 50 Hz, D width of the features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast

from torch import Tensor, nn
from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel

from models.indextts2.parts import W2V_LAYERS

LEFT, RIGHT = 64, 8  # how far apart positions are told from each other


@dataclass(frozen=True)
class W2VConfig:
    """The official numbers."""

    input_size: int = 160
    hidden_size: int = 1024
    intermediate_size: int = 4096
    heads: int = 16
    kernel_size: int = 31

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """As the shapes of the weights say; they leave nothing open. Raises KeyError: one is missing."""
        projection = state["feature_projection.projection.weight"]
        layer = "encoder.layers.0."
        return cls(
            input_size=projection.shape[1],
            hidden_size=projection.shape[0],
            intermediate_size=state[f"{layer}ffn1.intermediate_dense.weight"].shape[0],
            heads=projection.shape[0] // state[f"{layer}self_attn.distance_embedding.weight"].shape[1],
            kernel_size=state[f"{layer}conv_module.depthwise_conv.weight"].shape[-1],
        )


class W2V(nn.Module):
    """The parameters are called as the checkpoint calls them."""

    def __init__(self, config: W2VConfig) -> None:
        super().__init__()
        whole = Wav2Vec2BertModel(
            Wav2Vec2BertConfig(
                feature_projection_input_dim=config.input_size,
                hidden_size=config.hidden_size,
                intermediate_size=config.intermediate_size,
                num_attention_heads=config.heads,
                conv_depthwise_kernel_size=config.kernel_size,
                num_hidden_layers=W2V_LAYERS,
                position_embeddings_type="relative_key",
                left_max_position_embeddings=LEFT,
                right_max_position_embeddings=RIGHT,
                hidden_act="swish",
                layer_norm_eps=1e-5,
                mask_time_prob=0.0,  # no vector for masked frames, then
                apply_spec_augment=False,
                layerdrop=0.0,
            )
        )
        self.feature_projection = whole.feature_projection
        self.encoder = whole.encoder
        self.eval()

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Seamless features (1, Tw, 160) and mask (1, Tw) -> (1, Tw, D), which is hidden_states[17]"""
        hidden, _ = self.feature_projection(features)  # (1, Tw, D)
        return cast(Tensor, self.encoder(hidden, attention_mask=mask).last_hidden_state)


def normalised(hidden: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    """By the statistics that come with the checkpoint, each (D,); nothing is added to the variance."""
    return (hidden - mean) / var.sqrt()
