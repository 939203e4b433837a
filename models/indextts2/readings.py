"""Readings that a text gives for its characters, as IndexTTS-2 wants them: 重(chóng)要 -> CHONG2要.

The vocabulary has a piece for each syllable with its tone: capitals, V for ü, 1 to 5. It stands where the
character stood. What is no reading stays as it is, and `doubtful` names what looks as if it should be one.
"""

import re
import unicodedata
from collections.abc import Iterator

from models.indextts2.normalise import PINYIN, PRONUNCIATION, SYLLABLE, corrected

HAN = "〇\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
BRACKETED = re.compile(rf"(?P<han>[{HAN}]+)[ \u3000]?[(（](?P<pinyin>[^()（）\n{HAN}]{{1,60}})[)）]")
NUMBERED = re.compile(r"(?:[a-zü:]{2,7}[0-5][\s'’·-]*)+", re.IGNORECASE)
ATTEMPT = re.compile(r"(?:[a-zü:]{2,7}[0-9][\s'’·-]*)+", re.IGNORECASE)
SYLLABLES = re.compile(SYLLABLE)
SEPARATORS = " \t\u3000'’·-"
LONGEST_SYLLABLE = 6
RUN = re.compile(rf"(?<![A-Za-z])(?:(?:{SYLLABLE})[1-5]){{2,}}", re.IGNORECASE)
LATIN = re.compile("[A-Za-z0-9]")
MARKS = {"\u0304": "1", "\u0301": "2", "\u030c": "3", "\u0300": "4"}
UNMARKED = frozenset(["ba", "bo", "de", "le", "ma", "me", "men", "ne", "tou", "zhe", "zi"])
"""What may go without a mark beside marked syllables: zhuōzi. Others are likelier a name: René, Dalí."""


def put_in(text: str) -> str:
    """`text` with each reading in its character's place.

    >>> put_in("重(chóng)要，龟兹（qiūcí）国，绿(lu:4)，<行|hang2>长，QIU1CI2")
    'CHONG2要，QIU1 CI2国，LV4，HANG2长，QIU1 CI2'
    >>> put_in("勒内(René)，图(A4)，他(说)，重(chxng2)要")
    '勒内(René)，图(A4)，他(说)，重(chxng2)要'
    >>> put_in("A行(hang2)B，选<是|否>")
    'A HANG2 B，选<是|否>'
    """
    text = PRONUNCIATION.sub(lambda match: _beside(match, _for_all(match[1], match[2])), text)
    text = BRACKETED.sub(lambda match: _beside(match, _for_last(match["han"], match["pinyin"])), text)
    # The vocabulary has syllables, not words; and each is what it is whatever its neighbour's letters are.
    text = RUN.sub(lambda match: PINYIN.sub(r"\g<0> ", match[0]).rstrip(), text)
    return PINYIN.sub(lambda match: spelt(match[0]), text)


def doubtful(text: str) -> list[str]:
    """What stands where a reading would, and is none that this engine can use.

    >>> doubtful("重(chxng2)要，银行(xíng háng yín)，<OWASP|OW1 AA0>，勒内(René)，你(说)")
    ['重(chxng2)', '银行(xíng háng yín)', '<OWASP|OW1 AA0>']
    """
    written = [match[0] for match in PRONUNCIATION.finditer(text) if not _for_all(match[1], match[2])]
    bracketed = [
        match[0]
        for match in BRACKETED.finditer(text)
        if (ATTEMPT.fullmatch(match["pinyin"].strip()) or syllables(match["pinyin"]))
        and not _for_last(match["han"], match["pinyin"])
    ]
    return sorted({*written, *bracketed}, key=text.index)


def syllables(reading: str) -> list[str] | None:
    """The syllables of `reading` as the vocabulary spells them; None when it is not pinyin with tones.

    >>> syllables("hang2 zhang3"), syllables("lǜ"), syllables("zhuōzi"), syllables("xī'ān")
    (['HANG2', 'ZHANG3'], ['LV4'], ['ZHUO1', 'ZI5'], ['XI1', 'AN1'])
    >>> syllables("A4"), syllables("oh-wasp"), syllables("chong"), syllables("René")
    (None, None, None, None)
    """
    reading = unicodedata.normalize("NFC", reading.strip().lower())
    found = _numbered(reading) if any(map(str.isdigit, reading)) else _marked(reading)
    return found and [spelt(syllable) for syllable in found]


def spelt(pinyin: str) -> str:
    """One syllable with its tone as the vocabulary has it: V after n, l, j, q and x, U after y.

    >>> spelt("lü4"), spelt("nue4"), spelt("xuan4"), spelt("yv3"), spelt("chong2")
    ('LV4', 'NVE4', 'XVAN4', 'YU3', 'CHONG2')
    """
    pinyin = re.sub("^y[vü]", "yu", pinyin.lower()).replace("ü", "v")
    return corrected(re.sub("^([nl])ue", r"\1ve", pinyin)).upper()


def _for_all(han: str, reading: str) -> str | None:
    """What stands for `han` when `reading` has a syllable for each of its characters."""
    found = syllables(reading)
    return " ".join(found) if found and re.fullmatch(f"[{HAN}]{{{len(found)}}}", han) else None


def _for_last(han: str, reading: str) -> str | None:
    """`han` with its last characters replaced by their reading, a syllable each."""
    found = syllables(reading)
    if not found or len(found) > len(han):
        return None
    return han[: -len(found)] + " ".join(found)


def _beside(match: re.Match[str], new: str | None) -> str:
    """What to put where `match` stood, apart from Latin letters and digits that it would run into."""
    if new is None:
        return match[0]
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    parted = LATIN.match(before) and LATIN.match(new)
    return (" " if parted else "") + new + (" " if LATIN.match(after) else "")


def _numbered(reading: str) -> list[str] | None:
    if not NUMBERED.fullmatch(reading):
        return None
    pairs = re.findall(r"([a-zü:]+)([0-5])", reading.replace("u:", "ü"))
    if not all(SYLLABLES.fullmatch(letters) for letters, _ in pairs):
        return None
    return [letters + (tone if tone != "0" else "5") for letters, tone in pairs]


def _marked(reading: str) -> list[str] | None:
    """Marks to digits, having found where one syllable ends and the next begins."""
    letters = ""
    tones: dict[int, str] = {}
    for character in unicodedata.normalize("NFD", reading.replace("v", "ü")):
        if character in MARKS:
            tones[len(letters) - 1] = MARKS[character]
        elif character == "\u0308" and letters.endswith("u"):
            letters = letters[:-1] + "ü"
        else:
            letters += character
    return next(_divisions(letters, tones, 0), None) if tones else None


def _divisions(letters: str, tones: dict[int, str], start: int) -> Iterator[list[str]]:
    """Every way to read `letters[start:]` as syllables with one tone each, longest first."""
    while start < len(letters) and letters[start] in SEPARATORS:
        start += 1
    if start == len(letters):
        yield []
    for end in range(min(len(letters), start + LONGEST_SYLLABLE), start, -1):
        syllable = letters[start:end]
        marks = [tones[place] for place in range(start, end) if place in tones]
        if SYLLABLES.fullmatch(syllable) and len(marks) <= 1 and (marks or syllable in UNMARKED):
            for rest in _divisions(letters, tones, end):
                yield [syllable + "".join(marks or "5"), *rest]
