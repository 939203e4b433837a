"""The language model of IndexTTS-2: from a voice, an emotion and a text to codes, and the codes' latents.

Letters: B rows, L text ids, P prefix positions, N codes, T positions of a sequence, S slots of the cache,
V codes with start and stop among them, D width, H heads, E = D / H.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from farm.errors import Rejected
from models.indextts2.cache import Cache
from models.indextts2.config import GPTConfig
from models.indextts2.linear import Conv1D, LayerNorm, Linear, prepare

SPEEDS = 2
"""Rows of a table that was meant for the pace. The released model is always given both, the second first."""
FIRST_CODE = 2
"""Mel position of the first code when it is fed back. The start code has 0; the reference skips 1 when it
decodes, but not in the second pass."""

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""layer, query, key, value (B, H, T, E) -> (B, H, T, E): over what was before and these."""


@dataclass(frozen=True)
class Prefix:
    """What stands before the first code: 32 rows of voice and emotion, 2 of pace, the text, the start code.

    embeds (B, P, D) float32, shorter rows with zeros on the left; padding (B,) int64 counts these.
    """

    embeds: Tensor
    padding: Tensor


class GPT(nn.Module):
    """GPT-2 over embeddings of its own. Weights may be in half precision; what runs between the blocks, layer
    norms, softmax and all that comes out are float32.

    To decode: `prefix`, `start`, then `logits` and `step` in turn. Call `prepare` once after loading.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        width = config.model_dim
        self.config = config
        self.speed_emb = nn.Embedding(SPEEDS, width)
        self.text_embedding = nn.Embedding(config.number_text_tokens + 1, width)
        self.text_pos_embedding = _Positions(config.max_text_tokens + 2, width)
        self.mel_embedding = nn.Embedding(config.number_mel_codes, width)
        self.mel_pos_embedding = _Positions(config.max_mel_tokens + 3, width)
        self.gpt = _Trunk(config)
        self.final_norm = LayerNorm(width)
        self.mel_head = Linear(width, config.number_mel_codes)

    @property
    def dtype(self) -> torch.dtype:
        return self.mel_embedding.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.mel_embedding.weight.device

    def prepare(self) -> None:
        """Lay out the weights for speed, for good: see models/indextts2/linear.py."""
        prepare(self)

    @torch.no_grad()
    def prefix(self, conditioning: Tensor, emovec: Tensor, text: Sequence[Tensor]) -> Prefix:
        """conditioning (B, 32, D), emovec (B, D), ids of each row's text (L,) -> P = 34 + longest L + 3

        Ids that would start or stop the text are left out; their row is padded in their stead. Raises
        Rejected: a text is longer than the model's table of positions.
        """
        config = self.config
        voices = self._voices(conditioning, emovec)  # (B, 34, D)
        start = self._codes(torch.tensor([config.start_mel]))  # (1, D)
        rows = []
        for voice, ids in zip(voices, text, strict=True):
            spoken = ids[(ids != config.start_text) & (ids != config.stop_text)]
            rows.append(torch.cat([voice, self._text(spoken), start]))
        most = voices.shape[1] + max(len(ids) for ids in text) + 2 + 1
        padding = [most - len(row) for row in rows]
        embeds = torch.stack([F.pad(row, (0, 0, pad, 0)) for row, pad in zip(rows, padding, strict=True)])
        return Prefix(embeds, torch.tensor(padding, device=embeds.device))

    @torch.no_grad()
    def start(self, prefix: Prefix, room: int, bucket: int = 1) -> tuple[Tensor, Cache]:
        """Read the prefix -> hidden (B, D), from which the first code is drawn, and a cache for `room` codes.

        Raises ValueError: there are fewer positions than that. `bucket`: see Cache.
        """
        most = self.mel_pos_embedding.emb.num_embeddings - FIRST_CODE
        if room > most:
            raise ValueError(f"room for {room} codes, and positions for {most}")
        length = prefix.embeds.shape[1]
        cache = Cache(
            self.config,
            prefix.padding.to(self.device),
            length,
            length + room,
            bucket=bucket,
            dtype=self.dtype,
        )
        mask = _causal(prefix.padding, length).to(self.device) if cache.mask is not None else None

        def attend(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            cache.write(layer, key, value)
            return F.scaled_dot_product_attention(query, key, value, mask, is_causal=mask is None)

        x = self.gpt(prefix.embeds, attend)  # (B, P, D)
        return self._hidden(x[:, -1]), cache

    @torch.no_grad()
    def step(self, codes: Tensor, k: int, cache: Cache) -> Tensor:
        """Feed each row's code of step `k` (B,) -> hidden (B, D) for step k + 1. Waits for nothing."""
        attended = cache.grow()
        cache.position.fill_(k + FIRST_CODE)
        return self.advance(codes, cache, attended)

    @torch.no_grad()
    def advance(self, codes: Tensor, cache: Cache, attended: int) -> Tensor:
        """What `step` does on the device: codes (B,) -> hidden (B, D), over the first `attended` slots.

        All that changes from step to step is read from tensors that stay where they are (cache.slot,
        cache.position, keys, values, mask), so one CUDA graph can be captured for each number of rows and
        each `attended` of a cache with a bucket; replay it after cache.grow() and position.fill_, with the
        codes copied into the tensor it was captured with. `Cache.keep` moves rows within the same memory.
        """
        x = self.mel_embedding(codes).float() + self.mel_pos_embedding.emb(cache.position).float()  # (B, D)

        def attend(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            cache.append(layer, key, value)
            return cache.attend(layer, query, attended)

        return self._hidden(self.gpt(x[:, None], attend)[:, 0])

    @torch.no_grad()
    def logits(self, hidden: Tensor) -> Tensor:
        """hidden (B, D) -> (B, V) float32"""
        logits: Tensor = self.mel_head(hidden)
        return logits.float()

    @torch.no_grad()
    def latents(
        self, conditioning: Tensor, emovec: Tensor, text: Sequence[Tensor], codes: Sequence[Tensor]
    ) -> list[Tensor]:
        """The second pass: conditioning (B, 32, D), emovec (B, D), text (L,) and codes (N,) of each row, no
        stop code among them -> for each row (N, D) float32, vector i the state that foretells code i.

        Shorter rows are padded on the right, where causal attention never looks. Raises Rejected as `prefix`.
        """
        config = self.config
        voices = self._voices(conditioning, emovec)  # (B, 34, D)
        rows, firsts = [], []
        for voice, ids, said in zip(voices, text, codes, strict=True):
            ends = said.new_tensor([config.start_mel, config.stop_mel])
            words = self._text(ids)  # (L + 2, D)
            firsts.append(len(voice) + len(words))
            rows.append(torch.cat([voice, words, self._codes(torch.cat([ends[:1], said, ends[1:]]))]))
        x = self.gpt(pad_sequence(rows, batch_first=True), _causally)  # (B, T, D)
        spoken = torch.cat(
            [row[first : first + len(said)] for row, first, said in zip(x, firsts, codes, strict=True)]
        )
        return list(torch.split(self._hidden(spoken), [len(said) for said in codes]))

    def _voices(self, conditioning: Tensor, emovec: Tensor) -> Tensor:
        """conditioning (B, 32, D), emovec (B, D) -> (B, 34, D) float32"""
        pace = self.speed_emb.weight.flip(0).float()  # (2, D)
        voices = conditioning.to(pace) + emovec.to(pace)[:, None]  # (B, 32, D)
        return torch.cat([voices, pace.expand(len(voices), -1, -1)], 1)  # (B, 34, D)

    def _text(self, ids: Tensor) -> Tensor:
        """ids (L,) -> (L + 2, D) float32, start and stop around them"""
        most = self.text_pos_embedding.emb.num_embeddings - 2
        if len(ids) > most:
            raise Rejected(
                "A segment has {tokens} text tokens, and the model reads at most {most}. Cut it in two.",
                tokens=len(ids),
                most=most,
            )
        ends = ids.new_tensor([self.config.start_text, self.config.stop_text])
        ids = torch.cat([ends[:1], ids, ends[1:]]).to(self.device)  # (L + 2,)
        words: Tensor = self.text_embedding(ids).float() + self.text_pos_embedding(len(ids)).float()
        return words

    def _codes(self, codes: Tensor) -> Tensor:
        """codes (N,), from mel position 0 on -> (N, D) float32"""
        codes = codes.to(self.device)
        spoken: Tensor = self.mel_embedding(codes).float() + self.mel_pos_embedding(len(codes)).float()
        return spoken

    def _hidden(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.final_norm(self.gpt.ln_f(x))
        return hidden


class _Positions(nn.Module):
    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(positions, width)

    def forward(self, length: int) -> Tensor:
        """-> (length, D), from position 0 on"""
        return self.emb.weight[:length]


class _Trunk(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.h = nn.ModuleList(_Block(config.model_dim, config.heads) for _ in range(config.layers))
        self.ln_f = LayerNorm(config.model_dim)

    def forward(self, x: Tensor, attend: Attend) -> Tensor:
        """x (B, T, D) -> (B, T, D), before ln_f"""
        for layer, block in enumerate(self.h):
            x = block(x, partial(attend, layer))
        return x


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(width)
        self.attn = _Attention(width, heads)
        self.ln_2 = LayerNorm(width)
        self.mlp = _MLP(width)

    def forward(self, x: Tensor, attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
        x = x + self.attn(self.ln_1(x), attend)
        x = x + self.mlp(self.ln_2(x))
        return x


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = Conv1D(width, 3 * width)
        self.c_proj = Conv1D(width, width)

    def forward(self, x: Tensor, attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
        """x (B, T, D) -> (B, T, D)"""
        mixed = self.c_attn(x).view(*x.shape[:2], 3, self.heads, -1)  # (B, T, 3, H, E)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)  # (B, H, T, E) each
        x = attend(query, key, value).transpose(1, 2).flatten(2)  # (B, T, D)
        x = self.c_proj(x)
        return x


class _MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = Conv1D(width, 4 * width)
        self.c_proj = Conv1D(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))
        return x


def _causally(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def _causal(padding: Tensor, length: int) -> Tensor:
    """padding (B,) -> (B, 1, P, P) bool: what sees what. Padding sees itself, so that it stays finite."""
    place = torch.arange(length, device=padding.device)
    earlier = place[:, None] >= place  # (P, P)
    real = place >= padding[:, None]  # (B, P)
    return ((earlier & real[:, None]) | torch.eye(length, dtype=torch.bool, device=padding.device))[:, None]
