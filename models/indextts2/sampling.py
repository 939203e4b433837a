"""How the next code is chosen from the net's logits: the reference's rules, as pure functions.

Letters: B rows (or beams), V codes with start and stop among them, K candidates. Scores are float32.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from farm.errors import Rejected
from models.indextts2.config import GPTConfig

RANGES = {
    "top_p": (0.0, 1.0),
    "top_k": (0, 10_000),
    "temperature": (0.01, 10.0),
    "repetition_penalty": (0.1, 100.0),
    "num_beams": (1, 10),
    "length_penalty": (-10.0, 10.0),
    "typical_mass": (0.01, 1.0),
}


@dataclass(frozen=True)
class Sampling:
    """The settings of a choice, in the order in which they act. Raises Rejected: one is out of its range.

    `top_k` 0 keeps all. `greedy` takes the best and leaves out everything but the repetition penalty.
    `length_penalty` acts on beams alone: a hypothesis counts its sum of scores / length ** length_penalty.
    """

    repetition_penalty: float = 10.0
    typical_mass: float | None = None
    temperature: float = 0.8
    top_k: int = 30
    top_p: float = 0.8
    num_beams: int = 1
    length_penalty: float = 0.0
    greedy: bool = False

    def __post_init__(self) -> None:
        for name, (lowest, highest) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not lowest <= value <= highest:
                raise Rejected(
                    "The setting {name} is {value}. Choose a number from {lowest} to {highest}.",
                    name=name,
                    value=value,
                    lowest=lowest,
                    highest=highest,
                )

    @classmethod
    def parity(cls) -> Self:
        """What the reference does when nothing is said."""
        return cls(num_beams=3)


def seen_at_start(rows: int, config: GPTConfig, device: torch.device | None = None) -> Tensor:
    """(B, V) bool: what the penalty takes for said before the first code.

    The reference stands 1 for each position of the prompt and the start code behind them, and penalises
    both from the beginning.
    """
    seen = torch.zeros(rows, config.number_mel_codes, dtype=torch.bool, device=device)
    seen[:, [1, config.start_mel]] = True
    return seen


def penalise(scores: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """scores (B, V), seen (B, V) bool -> (B, V): what was said is less likely to be said again (CTRL).

    Once for each code, however often it was said. The scores are raw logits without beams, logarithms of
    probabilities with them: these are never positive, so that the two modes are two distributions.
    """
    return torch.where(seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def typical(scores: Tensor, mass: float) -> Tensor:
    """scores (B, V) -> (B, V), -inf where a code is further from the expected surprise than those that
    make up `mass` (locally typical sampling, Meister et al. 2022)."""
    logs = scores.log_softmax(-1)
    shares = logs.exp()
    entropy = -(shares * logs).nansum(-1, keepdim=True)  # (B, 1)
    deviation = (-logs - entropy).abs()
    ordered, order = deviation.sort(-1)
    inside = (shares.gather(-1, order).cumsum(-1) < mass).sum(-1, keepdim=True)  # (B, 1)
    edge = ordered.gather(-1, inside.clamp_max(scores.shape[-1] - 1))
    return scores.masked_fill(deviation > edge, -torch.inf)


def candidates(scores: Tensor, sampling: Sampling, least: int = 1) -> tuple[Tensor, Tensor]:
    """scores (B, V), already penalised -> scores (B, K), codes (B, K): best first, -inf where left out.

    Typical mass, top k, temperature, nucleus; at least `least` are kept. After top k the rest is work on
    30 columns in place of 8194. Of codes that tie for the last place one is kept, where the reference
    would keep all.
    """
    if sampling.typical_mass is not None:
        scores = typical(scores, sampling.typical_mass)
    width = scores.shape[-1]
    kept = min(max(sampling.top_k, least), width) if sampling.top_k else width
    best, codes = scores.topk(kept)  # (B, K)
    best = best / sampling.temperature  # which changes no order
    rest = best.softmax(-1).flip(-1).cumsum(-1).flip(-1)  # the share of a candidate and of all behind it
    outside = rest <= 1 - sampling.top_p
    outside[:, :least] = False
    return best.masked_fill(outside, -torch.inf), codes


def spread(scores: Tensor, codes: Tensor, width: int) -> Tensor:
    """scores (B, K), codes (B, K) -> (B, V), -inf for every code that is no candidate."""
    return scores.new_full((scores.shape[0], width), -torch.inf).scatter_(-1, codes, scores)


def pick(scores: Tensor, codes: Tensor, uniform: Tensor) -> Tensor:
    """scores (B, K), codes (B, K), uniform (B,) in [0, 1) -> (B,): the inverse of the distribution.

    The candidates lie end to end on a line, best first, each as long as it is probable; a row's uniform
    number points at one of them. A row's choice so depends on its own scores and number alone, and a
    little noise in the scores moves only the borders. Candidates that are left out are never picked.
    """
    line = scores.softmax(-1).cumsum(-1)
    # In terms of the line's own end, which rounding puts a little beside 1.
    rank = (line <= uniform[:, None] * line[:, -1:]).sum(-1, keepdim=True)
    return codes.gather(-1, rank).squeeze(-1)  # (B,)


def choose(logits: Tensor, seen: Tensor, uniform: Tensor, sampling: Sampling, never: int) -> Tensor:
    """logits (B, V), seen (B, V), uniform (B,) -> codes (B,): all of the above, waiting for nothing.

    `never` is the start code: it has no sound, and the reference fails when it says it.
    """
    scores = penalise(logits, seen, sampling.repetition_penalty)
    scores[:, never] = -torch.inf
    if sampling.greedy:
        return scores.argmax(-1)
    return pick(*candidates(scores, sampling), uniform)
