"""Text -> the pieces and ids of IndexTTS-2's vocabulary, and what of a text the vocabulary does not have."""

import re
from pathlib import Path

import sentencepiece

from farm.errors import Rejected
from models.indextts2 import readings
from models.indextts2.normalise import PINYIN, Glossary, Normaliser, normalise, plain

LANGUAGES = frozenset({"zh", "en"})
NAMES = {"ja": "Japanese", "ko": "Korean"}
SPACE = "▁"

# Each of these is a word to the vocabulary: Jamo; CJK radicals to Yi; Phags-pa and Hangul; compatibility
# ideographs and forms; half-width kana and Hangul; all of plane 2.
CHARACTER = re.compile(
    "([\u1100-\u11ff\u2e80-\ua4cf\ua840-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff65-\uffdc\U00020000-\U0002ffff])"
)


class Tokenizer:
    """The vocabulary of a checkpoint, with the rules that make a text fit it.

    With `replay` a text becomes what the reference makes of it. Otherwise two things differ: readings
    written as 重(chóng), <行|hang2> or lü4 are put in as the vocabulary has them, and a single character
    goes through the rules like any text (the reference leaves `a` small, which the vocabulary lacks).
    """

    def __init__(
        self,
        path: Path,
        glossary: Glossary | None = None,
        normaliser: Normaliser = plain,
        replay: bool = False,
    ) -> None:
        """`path` is the checkpoint's bpe.model. Raises Rejected when it cannot be read."""
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as e:
            raise Rejected("{path} cannot be read: {reason}", path=str(path), reason=str(e)) from e
        self._glossary = glossary
        self._normaliser = normaliser
        self._replay = replay

    def __len__(self) -> int:
        """How many pieces the vocabulary has."""
        return int(self._model.get_piece_size())

    def encode(self, text: str) -> list[str]:
        """The pieces of `text`; none for an empty one."""
        return list(self._model.encode(self.prepared(text), out_type=str))

    def ids(self, pieces: list[str]) -> list[int]:
        """An id for each piece; that of <unk> where the vocabulary does not have it."""
        return [int(self._model.piece_to_id(piece)) for piece in pieces]

    def prepared(self, text: str) -> str:
        """What SentencePiece is given: normalised, every CJK character a word of its own, in capitals."""
        if self._replay and len(text.strip()) == 1:
            return text
        text = text if self._replay else readings.put_in(text)
        return parted(normalise(text, self._normaliser, self._glossary))

    def unknown_pieces(self, text: str) -> list[str]:
        """What the vocabulary does not have, as it comes in `text`, each once. It would not be spoken."""
        unknown = int(self._model.unk_id())
        pieces = dict.fromkeys(self.encode(text))
        return [piece.lstrip(SPACE) for piece in pieces if int(self._model.piece_to_id(piece)) == unknown]

    def unknown_readings(self, text: str) -> list[str]:
        """Readings that are not used or would be spelt out letter by letter, each once."""
        used = (match[0].upper() for match in PINYIN.finditer(self.prepared(text)))
        spelt_out = [reading for reading in used if not self._has(reading)]
        return list(dict.fromkeys([*readings.doubtful(text), *spelt_out]))

    def _has(self, word: str) -> bool:
        """Whether `word` is one piece, whatever stands before it."""
        return word in (piece.lstrip(SPACE) for piece in self._model.encode(word, out_type=str))


def parted(text: str) -> str:
    """
    >>> parted(" 速度 is 10公里 ")
    '速 度 IS 10 公 里'
    """
    words = (word.strip().upper() for word in CHARACTER.split(text.strip()))
    return " ".join(filter(None, words))


def refusal(language: str) -> Rejected | None:
    """Why this engine cannot speak `language` (zh, en, ja, …) and what can be done, if so."""
    if language in LANGUAGES:
        return None
    return Rejected(
        "IndexTTS-2 speaks Chinese and English, not {language}: its vocabulary was not made for it. Let the "
        "preview engine speak this, or give it an edition in one of the two.",
        language=NAMES.get(language, language),
    )
