"""How a line is to sound: the emotion vector of a voice, as an utterance's direction turns it."""

import json
from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor

from farm.engine import Direction
from farm.errors import Rejected
from models.indextts2 import emotion
from models.indextts2.checkpoint import Checkpoint
from models.indextts2.emotion import Bank, Weights
from models.indextts2.qwen import EmotionReader
from models.indextts2.voice import Listener, Voice

KEPT = 4096
"""Emotion vectors, of 5 kB each."""


class Director:
    """Keeps what it has worked out: a book has few voices and directions, and many lines."""

    def __init__(self, checkpoint: Checkpoint, listener: Listener, device: torch.device) -> None:
        bank = checkpoint.part("bank")
        self._bank = Bank(bank["speakers"], bank["emotions"], checkpoint.config.emotions)
        self._listener = listener
        self._reader = EmotionReader(checkpoint.qwen, device) if checkpoint.qwen else None
        self._known: OrderedDict[str, Tensor] = OrderedDict()

    def emotion(self, key: str, voice: Voice, direction: Direction) -> Tensor:
        """(D,) for the voice whose print is called `key`.

        Raises Rejected: no such emotion, no recording to take one from, or no model that reads words.
        """
        told = direction.emotion, direction.intensity, direction.words, direction.like, direction.strength
        name = json.dumps([key, *told], sort_keys=True)
        if name not in self._known:
            self._known[name] = self._worked_out(voice, direction)
        self._known.move_to_end(name)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return self._known[name]

    def close(self) -> None:
        """Free the model that reads words; it is loaded again when it is needed."""
        if self._reader:
            self._reader.close()

    def _worked_out(self, voice: Voice, direction: Direction) -> Tensor:
        base = voice.echo
        if direction.like:
            base = voice.own + direction.strength * (self._felt(direction) - voice.own)
        weights = self._weights(direction)
        if not any(weights):
            return base
        return self._bank.blend(torch.tensor(weights), voice.style, base)

    def _felt(self, direction: Direction) -> Tensor:
        if not 0 <= direction.strength <= 1:
            raise Rejected(
                "The strength of an emotion is {strength}; it has to be from 0 to 1.",
                strength=direction.strength,
            )
        path = direction.like.get("path")
        if not path:
            raise Rejected("The recording whose emotion is wanted was not given to this machine.")
        return self._listener.feel(Path(path))

    def _weights(self, direction: Direction) -> Weights:
        given = emotion.weights(direction.emotion)
        if direction.words:
            if self._reader is None:
                raise Rejected(
                    "This checkpoint has no model that reads emotions from words. Give weights, or add the "
                    "directory qwen0.6bemo4-merge to it and run `farm models add indextts2` again."
                )
            [read] = self._reader.weigh([direction.words])
            given = emotion.combined(read, given) if any(given) else read
        return emotion.intensified(given, direction.intensity) if any(given) else given
