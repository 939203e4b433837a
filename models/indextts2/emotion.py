"""The eight emotions: weights, and the bank of emotion vectors that they mix.

B rows, K emotions (8), G rows of one emotion in the bank, D = gpt.model_dim, S = width of a style vector.
"""

from collections.abc import Mapping, Sequence
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor

from farm.engine import EMOTIONS
from farm.errors import Rejected

EIGHT = EMOTIONS
"""In the order of every vector of weights, and of the bank's groups."""
BIAS = (0.9375, 0.875, 1.0, 1.0, 0.9375, 0.9375, 0.6875, 0.5625)
MOST = 0.8
"""Of the voice's own way of speaking, at least a fifth is left by `normalise`."""
FAINTEST, STRONGEST = 0.5, 2.0

Weights = tuple[float, ...]
"""Eight, in the order of EIGHT; the rest up to 1 is the voice's own emotion."""


def weights(named: Mapping[str, float]) -> Weights:
    """The vector of weights by name; those that are not named are 0.

    Raises Rejected: no such emotion, or a weight that is not in [0, 1].

    >>> weights({"sad": 0.5, "calm": 0.2})
    (0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.2)
    """
    for name, weight in named.items():
        if name not in EIGHT:
            raise Rejected(
                "There is no emotion {name}. There are: {names}.", name=name, names=", ".join(EIGHT)
            )
        if not 0 <= weight <= 1:
            raise Rejected(
                "The weight of {name} is {weight}; it has to be from 0 to 1.", name=name, weight=weight
            )
    return tuple(float(named.get(name, 0.0)) for name in EIGHT)


def normalise(given: Sequence[float]) -> Weights:
    """The reference's web page's: each emotion by its bias, then all so that they sum to 0.8 at most.

    >>> normalise((1, 0, 0, 0, 0, 0, 0, 0))
    (0.8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    """
    biased = [weight * bias for weight, bias in zip(given, BIAS, strict=True)]
    total = sum(biased)
    return tuple(weight * MOST / total for weight in biased) if total > MOST else tuple(biased)


def scaled(given: Sequence[float], alpha: float) -> Weights:
    """`given` × alpha (clamped to [0, 1]), cut to four decimals as the reference does; 1 leaves them alone.

    >>> scaled((0.3, 0.55555, 0, 0, 0, 0, 0, 1), 0.5)
    (0.15, 0.2777, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5)
    """
    alpha = min(max(alpha, 0.0), 1.0)
    return tuple(given) if alpha == 1 else tuple(int(weight * alpha * 10000) / 10000 for weight in given)


def intensified(given: Sequence[float], intensity: float) -> Weights:
    """`given` × intensity, 0.5 to 2.0; what would take more than the whole voice is scaled to sum to 1.

    Beyond 1 the voice's own vector would be subtracted. Raises Rejected: not within 0.5 to 2.0.

    >>> intensified((0.3, 0, 0, 0.1, 0, 0, 0, 0), 2), intensified((0, 0.8, 0, 0, 0, 0, 0, 0), 2)
    ((0.6, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    """
    if not FAINTEST <= intensity <= STRONGEST:
        raise Rejected("The intensity is {intensity}; it has to be from 0.5 to 2.0.", intensity=intensity)
    strong = [float(weight * intensity) for weight in given]
    most = max(1.0, sum(given))
    total = sum(strong)
    return tuple(weight * most / total for weight in strong) if total > most else tuple(strong)


def combined(words: Sequence[float], given: Sequence[float], share: float = 0.5) -> Weights:
    """What was read from words and what was given as weights, `share` of it the latter.

    A mean: it takes no more from the voice than the stronger of the two, whatever they are, and changes
    smoothly with each. `share` 1 (0) is the weights (the words) alone.

    >>> combined((0.8, 0, 0, 0, 0, 0, 0, 0), (0, 0.4, 0, 0, 0, 0, 0, 0))
    (0.4, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    """
    if not 0 <= share <= 1:
        raise Rejected("The share of the weights is {share}; it has to be from 0 to 1.", share=share)
    return tuple((1 - share) * word + share * own for word, own in zip(words, given, strict=True))


class Bank:
    """Emotion vectors of many speakers; of each emotion, that of the speaker most like the voice is used."""

    def __init__(self, speakers: Tensor, emotions: Tensor, counts: Sequence[int]) -> None:
        """speakers (R, S), emotions (R, D): the same rows, the groups of EIGHT one after the other.

        Raises Rejected when `counts` does not say how the rows are grouped.
        """
        if len(counts) != len(EIGHT) or not len(speakers) == len(emotions) == sum(counts):
            raise Rejected(
                "The emotion bank has {speakers} speakers and {emotions} emotions in groups of {counts}: "
                "feat1.pt, feat2.pt and config.yaml are not of one checkpoint.",
                speakers=len(speakers),
                emotions=len(emotions),
                counts=list(counts),
            )
        self._speakers = torch.split(speakers.float(), list(counts))
        self._emotions = torch.split(emotions.float(), list(counts))

    def blend(self, weights: Tensor, style: Tensor, base: Tensor, random: Random | None = None) -> Tensor:
        """weights (8,), style (S,), base (D,) -> (D,); a row of `blend_all`."""
        mixed = self.blend_all(weights[None], style[None], base[None], None if random is None else [random])
        return mixed[0]

    def blend_all(
        self, weights: Tensor, style: Tensor, base: Tensor, random: Sequence[Random] | None = None
    ) -> Tensor:
        """weights (B, 8), style (B, S), base (B, D) -> (B, D): Σ w·emotion + (1 − Σ w)·base, of base's dtype.

        With `random`, a row's speakers are drawn from its generator, group after group, as the reference
        draws them from Python's own. A row does not depend on the others.
        """
        weights = weights.float()
        taken = torch.zeros_like(weights[:, 0])
        mixed = torch.zeros_like(base, dtype=torch.float32)
        # Summed one by one: a matrix product rounds a row differently with the number of rows.
        for group, (speakers, emotions) in enumerate(zip(self._speakers, self._emotions, strict=True)):
            if random is None:
                chosen = F.cosine_similarity(style.float()[:, None], speakers[None], dim=-1).argmax(1)
            else:
                drawn = [each.randint(0, len(speakers) - 1) for each in random]
                chosen = torch.tensor(drawn, device=emotions.device)
            mixed = mixed + weights[:, group, None] * emotions[chosen]
            taken = taken + weights[:, group]
        return (mixed + (1 - taken)[:, None] * base.float()).to(base.dtype)
