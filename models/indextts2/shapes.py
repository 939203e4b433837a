"""What the modules expect to be loaded with, found by building them without memory."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from models.indextts2.campplus import CAMPPlus
from models.indextts2.codec import Codec
from models.indextts2.conditioning import Conditioning
from models.indextts2.config import BigVGANConfig, Config
from models.indextts2.dit import DiT
from models.indextts2.gpt import GPT
from models.indextts2.regulator import LengthRegulator, latent_projection
from models.indextts2.vocoders.bigvgan import BigVGAN
from models.indextts2.w2v import W2V, W2VConfig

Shapes = Mapping[str, tuple[int, ...]]


def expected(name: str, config: Config, bigvgan: BigVGANConfig, found: Shapes) -> Shapes:
    """Keys and shapes of the part `name`. w2v-BERT's sizes are those `found`, its width the features'.

    Raises KeyError: w2v-BERT lacks the key that would say one of its sizes.
    """
    features = config.gpt.speaker.input_size
    if name == "stats":
        return {"mean": (features,), "var": (features,)}
    if name == "bank":
        rows = sum(config.emotions)
        return {"speakers": (rows, config.dit.style_dim), "emotions": (rows, config.gpt.model_dim)}
    if name == "w2v":
        sizes = W2VConfig.of({key: torch.empty(shape, device="meta") for key, shape in found.items()})
        numbers = replace(sizes, hidden_size=features)
        makers: dict[str, Callable[[], nn.Module]] = {"w2v": lambda: W2V(numbers)}
    else:
        makers = {
            "conditioning": lambda: Conditioning(config.gpt),
            "gpt": lambda: GPT(config.gpt),
            "codec": lambda: Codec(config.codec),
            "dit": lambda: DiT(config.dit, config.wavenet),
            "regulator": lambda: LengthRegulator(config.regulator),
            "latent_projection": lambda: latent_projection(config.gpt.model_dim),
            "campplus": CAMPPlus,
            "bigvgan": lambda: BigVGAN(bigvgan),
        }
    with torch.device("meta"):
        state: Mapping[str, Tensor] = makers[name]().state_dict()
    return {key: tuple(tensor.shape) for key, tensor in state.items()}
