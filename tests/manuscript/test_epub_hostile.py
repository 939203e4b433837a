"""EPUBs that are protected, damaged, hostile or huge: a clear refusal or a bounded book."""

from pathlib import Path

import pytest

from farm.errors import BadManuscript
from farm.manuscript.epub import read_epub
from farm.manuscript.parts import visible
from tests.manuscript.making import CONTAINER, page, write_epub, write_zip


def refusal(path: Path) -> str:
    with pytest.raises(BadManuscript) as caught:
        read_epub(path, path.name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("member", "content", "scheme"),
    [
        ("META-INF/rights.xml", "<rights/>", "Adobe ADEPT"),
        ("META-INF/sinf.xml", "<sinf/>", "Apple FairPlay"),
        ("META-INF/license.lcpl", "{}", "Readium LCP"),
        (
            "META-INF/encryption.xml",
            '<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
            '<enc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>'
            "</enc:EncryptedData></encryption>",
            "aes128-cbc",
        ),
    ],
)
def test_protected_books_are_refused_by_name(tmp_path: Path, member: str, content: str, scheme: str) -> None:
    path = write_epub(tmp_path / "locked.epub", {"a.xhtml": page("<p>x</p>")}, extra={member: content})
    assert "locked.epub is protected against copying" in refusal(path)
    assert scheme in refusal(path)


def test_obfuscated_fonts_are_no_protection(tmp_path: Path) -> None:
    fonts = (
        '<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
        '<enc:EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></enc:EncryptedData></encryption>'
    )
    path = write_epub(
        tmp_path / "b.epub", {"a.xhtml": page("<p>Fine.</p>")}, extra={"META-INF/encryption.xml": fonts}
    )
    assert read_epub(path, "b.epub").chapters[0].text == "Fine."


BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<html><body><p>&b;</p></body></html>"
)
EXTERNAL = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><html><body><p>&e;</p></body></html>'


@pytest.mark.parametrize("trick", [BILLION_LAUGHS, EXTERNAL, BILLION_LAUGHS.encode("utf-16")])
def test_entity_tricks_are_refused(tmp_path: Path, trick: str | bytes) -> None:
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": ""}, extra={"OPS/a.xhtml": trick})
    assert "entities" in refusal(path)


def test_entity_tricks_in_the_package_are_refused(tmp_path: Path) -> None:
    assert "entities" in refusal(write_zip(tmp_path / "b.epub", {"META-INF/container.xml": BILLION_LAUGHS}))


def test_what_is_no_whole_epub_is_refused(tmp_path: Path) -> None:
    whole = write_epub(tmp_path / "whole.epub", {"a.xhtml": page("<p>x</p>")}).read_bytes()
    (tmp_path / "cut.epub").write_bytes(whole[:-30])
    assert "damaged or incomplete" in refusal(tmp_path / "cut.epub")
    assert "package document is missing" in refusal(write_zip(tmp_path / "a.epub", {"mimetype": "x"}))
    assert "package document is missing" in refusal(
        write_zip(tmp_path / "b.epub", {"META-INF/container.xml": CONTAINER})
    )
    assert "not well-formed" in refusal(write_zip(tmp_path / "c.epub", {"META-INF/container.xml": "  "}))
    assert "no text" in refusal(write_epub(tmp_path / "d.epub", {}))
    assert "no text" in refusal(write_epub(tmp_path / "e.epub", {"a.xhtml": page('<img src="x.png"/>')}))


def test_a_chapter_of_five_million_characters_comes_in_parts(tmp_path: Path) -> None:
    body = "<h1>第一章</h1>" + f"<p>{'这是一个很长很长的句子，说了又说。' * 12}</p>" * 25_000
    book = read_epub(write_epub(tmp_path / "b.epub", {"a.xhtml": page(body)}), "b.epub")
    assert len(book.chapters) > 20
    assert sum(visible(chapter.text) for chapter in book.chapters) == 17 * 12 * 25_000
    assert book.accounted


def test_a_paragraph_too_large_for_the_parser_is_refused_not_cut(tmp_path: Path) -> None:
    path = write_epub(tmp_path / "b.epub", {"a.xhtml": page(f"<p>{'长' * 5_000_000}</p>")})
    assert "too large" in refusal(path)
