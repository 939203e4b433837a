import pytest

from farm.errors import Rejected
from farm.text.lexicon import Entry, Lexicon
from farm.text.pinyin import reveal


def test_the_longest_entry_wins() -> None:
    lexicon = Lexicon((Entry("长", "zhang3"), Entry("行长", "hang2 zhang3")))
    assert reveal(lexicon.apply("行长很长", "zh")) == "HANG2ZHANG3很ZHANG3"


def test_latin_entries_match_whole_words_only() -> None:
    lexicon = Lexicon((Entry("OWASP", "oh-wasp"),))
    assert lexicon.apply("OWASP's 用OWASP的 OWASPs XOWASP", "zh") == "oh-wasp's 用oh-wasp的 OWASPs XOWASP"


def test_an_entry_of_one_language_is_silent_in_the_others() -> None:
    lexicon = Lexicon((Entry("SQL", "sequel", "en"),))
    assert lexicon.apply("SQL", "en") == "sequel"
    assert lexicon.apply("SQL", "zh") == "SQL"
    assert lexicon.matches("SQL", "zh") == ()


def test_what_would_be_used_can_be_asked() -> None:
    lexicon = Lexicon((Entry("银行", "yin2 hang2"), Entry("行", "xing2"), Entry("无", "wu2")))
    assert [entry.written for entry in lexicon.matches("行，银行，行", "zh")] == ["行", "银行"]


def test_lines_are_read_in_every_usual_spelling() -> None:
    lexicon = Lexicon.from_text(
        "# ours\n\n行长 → hang2 zhang3\nOWASP=oh-wasp\na\tb\nc -> d\n[en] SQL => sequel\n"
    )
    assert [entry.written for entry in lexicon.entries] == ["行长", "OWASP", "a", "c", "SQL"]
    assert lexicon.entries[-1] == Entry("SQL", "sequel", "en")


@pytest.mark.parametrize(("text", "line"), [("好\n", 1), ("a=b\n\n= c", 3), ("a=", 1), ("[xx] a=b", 1)])
def test_a_bad_line_is_named(text: str, line: int) -> None:
    with pytest.raises(Rejected, match=f"Line {line} "):
        Lexicon.from_text(text)


def test_an_entry_of_nothing_is_refused() -> None:
    with pytest.raises(Rejected):
        Entry("", "x")


def test_no_lexicon_changes_nothing() -> None:
    assert Lexicon().apply("行长", "zh") == "行长"
    assert Lexicon().matches("行长", "zh") == ()
