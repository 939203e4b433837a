"""The parts of a checkpoint: where each lies, what is left out of it and why, how its keys are spelt."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from models.indextts2.tensor_files import state

State = dict[str, Tensor]

W2V_LAYERS = 17
"""Of w2v-BERT's 24: the features are what the 17th says."""


@dataclass(frozen=True)
class Omission:
    """Keys that inference does not read. `computed`, of their shape, is what they hold to within `near`."""

    pattern: str
    why: str
    computed: Callable[[tuple[int, ...]], Tensor] | None = None
    near: float = 1e-6

    def covers(self, key: str) -> bool:
        return re.fullmatch(self.pattern, key) is not None


@dataclass(frozen=True)
class Part:
    """What one module is loaded from.

    `files` are names in layout.WANTED; `unwrap` makes of what they hold the state dict and a list of what lay
    beside it, unread (ValueError: it cannot). Keys that `owns` does not match are another part's of the same
    file. `halved`: fp16 and bf16 checkpoints hold its matrices in half precision.
    """

    files: tuple[str, ...]
    unwrap: Callable[..., tuple[State, list[str]]]
    omissions: tuple[Omission, ...] = ()
    owns: str = r".*"
    spelling: tuple[tuple[str, str], ...] = ()
    halved: bool = False


def sinusoids(shape: tuple[int, ...]) -> Tensor:
    """(1, N, D): sines in the even columns, cosines in the odd."""
    _, length, width = shape
    rates = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * -(math.log(10000.0) / width))
    angles = torch.arange(length, dtype=torch.float64)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).reshape(shape)


def time_rates(shape: tuple[int, ...]) -> Tensor:
    """(K,): those of the timestep embedding's sinusoids."""
    return torch.exp(-math.log(10000) * torch.arange(shape[0], dtype=torch.float64) / shape[0])


def low_pass(shape: tuple[int, ...]) -> Tensor:
    """(1, 1, 12): a Kaiser-windowed sinc, cut off at a quarter of the rate, half-width 0.3."""
    taps = shape[-1]
    attenuation = 2.285 * (taps // 2 - 1) * math.pi * 4 * 0.3 + 7.95
    window = torch.kaiser_window(taps, False, 0.1102 * (attenuation - 8.7), dtype=torch.float64)
    filtered = window * torch.sinc(0.5 * (torch.arange(taps, dtype=torch.float64) - taps / 2 + 0.5))
    return (filtered / filtered.sum()).view(shape)


def positions(shape: tuple[int, ...]) -> Tensor:
    return torch.arange(shape[0])


CONDITIONING = (
    r"(conditioning_encoder|perceiver_encoder|emo_conditioning_encoder|emo_perceiver_encoder|emovec_layer"
    r"|emo_layer)\..*"
)
# Its angles were computed in float32: at position 5000 that is 5e-4 off.
TABLE = Omission(r".*\.pos_enc\.pe", "a table that is computed anew", sinusoids, near=1e-3)
UNTRAINED = Omission(r"(.*\.)?num_batches_tracked", "counts training's batches")
MASK = Omission(r"masked_spec_embed", "hides frames from the net in training")


def _gpt(content: object) -> tuple[State, list[str]]:
    return _wrapped(content, "model")


def _generator(content: object) -> tuple[State, list[str]]:
    return _wrapped(content, "generator")


def _wrapped(content: object, name: str) -> tuple[State, list[str]]:
    """What `content` holds as `name`, or `content` itself."""
    if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
        return state(content[name]), [str(key) for key in content if key != name]
    return state(content), []


def _bare(content: object) -> tuple[State, list[str]]:
    return state(content), []


def _net(name: str) -> Callable[[object], tuple[State, list[str]]]:
    def unwrapped(content: object) -> tuple[State, list[str]]:
        nets = content.get("net") if isinstance(content, Mapping) else None
        if not isinstance(content, Mapping) or not isinstance(nets, Mapping):
            raise ValueError("it has no entry net")
        if name not in nets:
            raise ValueError(f"it has no entry net.{name}")
        beside = [str(key) for key in content if key != "net"]
        return state(nets[name]), beside + [f"net.{key}" for key in nets if key not in NETS]

    return unwrapped


def _bank(speakers: object, emotions: object) -> tuple[State, list[str]]:
    return state({"speakers": speakers, "emotions": emotions}), []


NETS = ("cfm", "length_regulator", "gpt_layer")

PARTS: Mapping[str, Part] = {
    "conditioning": Part(("gpt",), _gpt, (TABLE,), owns=CONDITIONING),
    "gpt": Part(
        ("gpt",),
        _gpt,
        (
            Omission(r"text_head\..*", "predicts text, in training alone"),
            Omission(r"gpt\.h\.\d+\.attn\.(masked_)?bias", "the causal mask, which transformers once stored"),
        ),
        owns=rf"(?!{CONDITIONING}$).*",
        halved=True,
    ),
    "codec": Part(
        ("codec",), _bare, (Omission(r"decoder\..*", "turns codes into features, of which no use is made"),)
    ),
    "dit": Part(
        ("s2mel",),
        _net("cfm"),
        (
            Omission(r"estimator\.input_pos", "positions that are computed anew", positions),
            Omission(r"estimator\.t_embedder2?\.freqs", "rates that are computed anew", time_rates),
            Omission(
                r"estimator\.(x_embedder|cond_embedder|content_mask_embedder)\..*",
                "embeds what the released model is never given",
            ),
        ),
        spelling=((r"^estimator\.", ""), (r"\.conv\.conv\.", ".")),
        halved=True,
    ),
    "regulator": Part(
        ("s2mel",),
        _net("length_regulator"),
        (Omission(r"embedding\..*|mask_token", "embeds what the released model is never given"),),
    ),
    "latent_projection": Part(("s2mel",), _net("gpt_layer")),
    "campplus": Part(("campplus",), _bare, (UNTRAINED,)),
    "bigvgan": Part(
        ("bigvgan",),
        _generator,
        (Omission(r".*\.filter", "a filter that is computed anew", low_pass),),
        halved=True,
    ),
    "w2v": Part(
        ("w2v",),
        _bare,
        (
            MASK,
            Omission(
                rf"encoder\.layers\.(?!({'|'.join(map(str, range(W2V_LAYERS)))})\.)\d+\..*",
                f"layers behind the {W2V_LAYERS}th, which nothing hears",
            ),
        ),
    ),
    "stats": Part(("stats",), _bare),
    "bank": Part(("speakers", "emotions"), _bank),
}


def omissions(name: str, depth: int) -> tuple[Omission, ...]:
    """What is left out of the part `name` where the DiT has `depth` layers."""
    if name != "dit":
        return PARTS[name].omissions
    first = "|".join(str(layer) for layer in range(depth // 2 + 1))
    why = "joins a skip connection, which the first half has none of"
    return (
        *PARTS[name].omissions,
        Omission(rf"estimator\.transformer\.layers\.({first})\.skip_in_linear\..*", why),
    )
