"""Where rows of any lengths lie when they are laid end to end.

Letters: F frames of all streams, E frames behind the last keys, G target frames of all rows, M mel bands,
C content_dim, S style_dim, D hidden_dim, H heads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from models.indextts2.dit import DiT, mirrored, turns


@dataclass(frozen=True)
class Stream:
    """A row as one branch of the guidance sees it: `prompt` frames, then `target` frames."""

    row: int
    prompt: int
    target: int
    guided: bool
    """By the voice and the text, or by neither."""

    @property
    def frames(self) -> int:
        return self.prompt + self.target


class Row(NamedTuple):
    """What guides a row."""

    mu: Tensor  # (prompt + target, C)
    mel: Tensor  # (prompt, M)
    style: Tensor  # (S,)


class Group(NamedTuple):
    """Neighbours of equal lengths: where the first one's queries and keys start, and how many each has."""

    streams: int
    query: int
    queries: int
    key: int
    keys: int


class Layout:
    """Where the frames of `streams` lie, by length.

    Behind the last keys only what the answer needs is computed: targets, and what of prompts the WaveNet's
    convolutions reach. There each stream has a margin on either side, which mirrors its end; where a prompt
    was cut off, what is mirrored is not what lay there, and spoils no more than what is never read.

    later (E,): which of F each frame is. noisy (F,), later_noisy (E,): which target frame each frame is,
    in the making; G in prompts. margins, mirrors: frames of E that repeat others, and those. answers: the
    targets among E, guided streams first, row by row.
    """

    def __init__(self, streams: Sequence[Stream], dit: DiT, device: torch.device) -> None:
        self.streams = sorted(streams, key=lambda s: (s.frames, s.target, s.row, not s.guided))
        targets = [target for _, target in sorted({(s.row, s.target) for s in streams})]
        self._targets, self._nothing = _starts(targets), sum(targets)
        places = torch.cat([torch.arange(stream.frames) for stream in self.streams])
        turn = turns(places, dit.config.hidden_dim // dit.config.num_heads)  # (F, D/H/2)
        noisy = torch.cat([self._noisy(stream) for stream in self.streams])
        later, margins, mirrors, answers = self._later(dit.wavenet.margin, dit.wavenet.reach)
        self.turns, self.later_turns = turn.to(device), turn[later].to(device)
        self.noisy, self.later_noisy = noisy.to(device), noisy[later].to(device)
        self.later, self.answers = later.to(device), answers.to(device)
        self.margins, self.mirrors = margins.to(device), mirrors.to(device)

    def _noisy(self, stream: Stream) -> Tensor:
        target = self._targets[stream.row] + torch.arange(stream.target)
        return torch.cat([torch.full((stream.prompt,), self._nothing), target])

    def _later(self, margin: int, reach: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        frames = [stream.frames for stream in self.streams]
        tails = [min(stream.prompt, reach) + stream.target for stream in self.streams]
        starts, later_starts = _starts(frames), _starts(tail + 2 * margin for tail in tails)
        self.groups = _groups(frames, starts, frames, starts)
        self.later_groups = _groups([tail + 2 * margin for tail in tails], later_starts, frames, starts)
        later, margins, mirrors = [], [], []
        answers: dict[tuple[bool, int], Tensor] = {}
        for stream, tail, start, slot in zip(self.streams, tails, starts, later_starts, strict=True):
            source = mirrored(tail, margin, torch.tensor([tail]))[0]  # (tail + 2·margin,)
            edge = torch.cat([torch.arange(margin), torch.arange(margin + tail, 2 * margin + tail)])
            later.append(start + stream.frames - tail + source)
            margins.append(slot + edge)
            mirrors.append(slot + margin + source[edge])
            end = slot + margin + tail
            answers[not stream.guided, stream.row] = torch.arange(end - stream.target, end)
        ordered = [answers[key] for key in sorted(answers)]
        return torch.cat(later), torch.cat(margins), torch.cat(mirrors), torch.cat(ordered)


def _starts(lengths: Iterable[int]) -> list[int]:
    starts, end = [], 0
    for length in lengths:
        starts.append(end)
        end += length
    return starts


def _groups(
    queries: Sequence[int], query_starts: Sequence[int], keys: Sequence[int], key_starts: Sequence[int]
) -> tuple[Group, ...]:
    groups = []
    for lengths, members in groupby(range(len(keys)), lambda i: (queries[i], keys[i])):
        first, *others = members
        groups.append(Group(1 + len(others), query_starts[first], lengths[0], key_starts[first], lengths[1]))
    return tuple(groups)
