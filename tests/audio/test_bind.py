"""A bound book has its chapters where its marks say, its tags where players look, its packets untouched."""

import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from audio_signals import clip, heard, silence, speech, tone

from farm.audio.bind import BookTags, bind_m4b
from farm.audio.encode import encode, encode_flac, m4a
from farm.audio.mastering import MasteringSettings, master
from farm.audio.probe import probe
from farm.engine import Samples
from farm.errors import Rejected

RATE = 44_100
TAGS = BookTags(
    "红楼梦",
    author="曹雪芹",
    narrator="甄士隐",
    language="zh",
    description="满纸荒唐言，\n一把辛酸泪。",
    year="1791",
)
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", 1, 1, 8, 2, 0, 0, 0, 0x907753DE)
PNG += bytes.fromhex("0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082")


def chapter(folder: Path, number: int, samples: Samples, bitrate: int = 64_000) -> Path:
    path = folder / f"{number}.m4a"
    encode([samples], RATE, path, m4a(bitrate, "fast", RATE))
    return path


def test_every_mark_falls_on_the_first_sample_of_its_chapter(tmp_path: Path) -> None:
    hertz = [300, 500, 700, 900, 1100, 1300]
    tones = [tone(f, 1.0 + 0.0317 * n, RATE).samples for n, f in enumerate(hertz)]
    chapters = [(f"Chapter {n}", chapter(tmp_path, n, samples)) for n, samples in enumerate(tones)]
    bind_m4b(chapters, TAGS, None, tmp_path / "book.m4b")
    book = heard(tmp_path / "book.m4b")
    for samples, mark in zip(tones, probe(tmp_path / "book.m4b").chapters, strict=True):
        start = round(mark.start_s * RATE)
        assert np.abs(book[start : start + len(samples)] - samples).max() < 0.06
        assert not np.abs(book[start + 7 : start + 7 + len(samples)] - samples).max() < 0.06
        assert 0 <= mark.end_s - mark.start_s - len(samples) / RATE < 0.047


def test_what_is_heard_in_the_book_is_what_is_heard_in_the_chapter(tmp_path: Path) -> None:
    takes = [speech(2.5, seed, RATE).samples for seed in range(4)]
    paths = [chapter(tmp_path, number, take) for number, take in enumerate(takes)]
    marks = bind_m4b([("x", path) for path in paths], TAGS, None, tmp_path / "book.m4b")
    book = heard(tmp_path / "book.m4b")
    for path, mark in zip(paths, marks, strict=True):
        alone = heard(path)[: len(takes[0]) - 2048]
        start = round(mark.start_s * RATE)
        # Not equal to the bit: the decoder draws the noise of breathy bands anew.
        difference = book[start : start + len(alone)] - alone
        assert np.abs(difference).mean() < 0.01 * np.abs(alone).mean()


def test_forty_mastered_chapters_make_one_book_whose_length_is_their_sum(tmp_path: Path) -> None:
    settings = MasteringSettings(head_s=0.1, tail_s=0.1)
    chapters, durations = [], []
    for number in range(40):
        path = tmp_path / f"{number}.m4a"
        durations.append(master([clip(tone(300 + 10 * number, 0.3))], path, settings).duration_s)
        chapters.append((f"第{number + 1}回　甄士隐梦幻识通灵", path))
    marks = bind_m4b(chapters, TAGS, PNG, tmp_path / "book.m4b")
    seen = probe(tmp_path / "book.m4b")
    assert [mark.title for mark in seen.chapters] == [title for title, _ in chapters]
    assert np.allclose([mark.start_s for mark in seen.chapters], [mark.start_s for mark in marks], atol=5e-4)
    assert [mark.end_s for mark in marks[:-1]] == [mark.start_s for mark in marks[1:]]
    assert sum(durations) <= seen.duration_s <= sum(durations) + 40 * 0.047
    assert marks[-1].end_s == pytest.approx(seen.duration_s, abs=1e-3)
    assert len(heard(tmp_path / "book.m4b")) == pytest.approx(seen.duration_s * RATE, abs=1)


def test_more_chapters_than_the_short_list_holds_are_all_there(tmp_path: Path) -> None:
    path = chapter(tmp_path, 0, tone(300, 0.05, RATE).samples)
    bind_m4b([(f"第{n}章", path) for n in range(1, 321)], TAGS, None, tmp_path / "book.m4b")
    assert [mark.title for mark in probe(tmp_path / "book.m4b").chapters] == [
        f"第{n}章" for n in range(1, 321)
    ]


def test_packets_are_copied_not_encoded_again(tmp_path: Path) -> None:
    paths = [chapter(tmp_path, number, speech(1, number, RATE).samples) for number in range(3)]
    bind_m4b([("x", path) for path in paths], TAGS, None, tmp_path / "book.m4b")
    assert packets(tmp_path / "book.m4b") == [packet for path in paths for packet in packets(path)]


def packets(path: Path) -> list[bytes]:
    with av.open(str(path), options={"ignore_editlist": "1"}) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_the_tags_are_those_that_players_and_audiobookshelf_read(tmp_path: Path) -> None:
    tags = BookTags(
        "三体", "刘慈欣", "云", "zh", "一部\n科幻小说", "2008", publisher="重庆出版社", series="地球往事",
        series_part="1", extra={"AIGC": '{"Label": "1"}'},
    )  # fmt: skip
    path = chapter(tmp_path, 0, tone(300, 1, RATE).samples)
    bind_m4b([("第一章", path)], tags, PNG, tmp_path / "book.m4b")
    seen = probe(tmp_path / "book.m4b")
    assert seen.language == "zho"
    assert seen.cover == PNG
    expected = {
        "title": "三体", "album": "三体", "artist": "刘慈欣", "album_artist": "刘慈欣", "composer": "云",
        "date": "2008", "genre": "Audiobook", "comment": "一部\n科幻小说", "description": "一部\n科幻小说",
        "grouping": "地球往事 #1", "media_type": "2", "PUBLISHER": "重庆出版社", "LANGUAGE": "zh",
        "SERIES": "地球往事", "SERIES-PART": "1", "AIGC": '{"Label": "1"}', "major_brand": "M4B ",
    }  # fmt: skip
    assert {name: seen.tags.get(name) for name in expected} == expected


def test_a_book_with_a_title_only_has_no_empty_tags(tmp_path: Path) -> None:
    path = chapter(tmp_path, 0, tone(300, 1, RATE).samples)
    bind_m4b([("One", path)], BookTags("Untold\x00"), None, tmp_path / "book.m4b")
    seen = probe(tmp_path / "book.m4b")
    assert seen.cover is None
    assert seen.language == "und"
    assert {*seen.tags} == {
        "major_brand", "minor_version", "compatible_brands", "title", "album", "genre", "media_type",
    }  # fmt: skip
    assert seen.tags["title"] == "Untold"


def test_a_very_long_chapter_title_ends_in_an_ellipsis(tmp_path: Path) -> None:
    path = chapter(tmp_path, 0, tone(300, 1, RATE).samples)
    marks = bind_m4b([("长" * 200, path), ("ok", path)], TAGS, None, tmp_path / "book.m4b")
    assert marks[0].title == "长" * 84 + "…"
    assert probe(tmp_path / "book.m4b").chapters[0].title == marks[0].title


def test_the_index_comes_first_so_that_the_book_streams(tmp_path: Path) -> None:
    path = chapter(tmp_path, 0, speech(5, 0, RATE).samples)
    bind_m4b([("One", path)], TAGS, PNG, tmp_path / "book.m4b")
    for file in (path, tmp_path / "book.m4b"):
        content = file.read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")


def test_binding_again_gives_the_same_bytes(tmp_path: Path) -> None:
    path = chapter(tmp_path, 0, speech(1, 0, RATE).samples)
    bind_m4b([("One", path), ("Two", path)], TAGS, PNG, tmp_path / "one.m4b")
    bind_m4b([("One", path), ("Two", path)], TAGS, PNG, tmp_path / "two.m4b")
    assert (tmp_path / "one.m4b").read_bytes() == (tmp_path / "two.m4b").read_bytes()


def test_seeking_to_a_mark_lands_there(tmp_path: Path) -> None:
    paths = [chapter(tmp_path, n, tone(400 + 200 * n, 3, RATE).samples) for n in range(5)]
    marks = bind_m4b([("x", path) for path in paths], TAGS, None, tmp_path / "book.m4b")
    for number, mark in enumerate(marks):
        with av.open(str(tmp_path / "book.m4b")) as container:
            container.seek(round((mark.start_s + 0.5) * av.time_base))
            frame = next(f for f in container.decode(audio=0) if f.time >= mark.start_s + 0.5)
        spectrum = np.abs(np.fft.rfft(frame.to_ndarray()[0]))
        assert spectrum.argmax() * RATE / frame.samples == pytest.approx(400 + 200 * number, abs=43)


@pytest.mark.parametrize("cover", [PNG, b"\xff\xd8\xff\xe0" + bytes(range(256)) * 9])
def test_the_cover_is_kept_byte_for_byte(cover: bytes, tmp_path: Path) -> None:
    path = chapter(tmp_path, 0, tone(300, 1, RATE).samples)
    bind_m4b([("One", path)], TAGS, cover, tmp_path / "book.m4b")
    assert probe(tmp_path / "book.m4b").cover == cover


def test_what_no_player_can_show_is_left_out_of_titles(tmp_path: Path) -> None:
    path = chapter(tmp_path, 0, tone(300, 1, RATE).samples)
    bind_m4b([("第一回\u3000甄\x00士\ud800隐\xa0𠀀", path)], TAGS, None, tmp_path / "book.m4b")
    assert probe(tmp_path / "book.m4b").chapters[0].title == "第一回\u3000甄士隐\xa0𠀀"


@pytest.mark.parametrize("cover", [b"GIF89a", b"", b"<svg/>"])
def test_a_cover_that_players_cannot_show_is_refused(cover: bytes, tmp_path: Path) -> None:
    path = chapter(tmp_path, 0, tone(300, 1, RATE).samples)
    with pytest.raises(Rejected, match="JPEG"):
        bind_m4b([("One", path)], TAGS, cover, tmp_path / "book.m4b")


def test_chapters_of_different_rates_are_refused_by_name(tmp_path: Path) -> None:
    first = chapter(tmp_path, 0, tone(300, 1, RATE).samples)
    other = tmp_path / "other.m4a"
    encode([tone(300, 1, 48_000).samples], 48_000, other, m4a(64_000, "fast", 48_000))
    with pytest.raises(Rejected, match=r"other\.m4a"):
        bind_m4b([("One", first), ("Two", other)], TAGS, None, tmp_path / "book.m4b")


def test_what_is_not_a_mastered_chapter_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.m4a"
    rubbish.write_bytes(os.urandom(3000))
    flac = tmp_path / "take.flac"
    encode_flac([silence(1, RATE).samples], RATE, flac)
    cut = chapter(tmp_path, 1, speech(4, 0, RATE).samples)
    cut.write_bytes(cut.read_bytes()[:-9000])
    there = {*os.listdir(tmp_path)}
    for bad in (rubbish, flac, cut, tmp_path / "missing.m4a"):
        with pytest.raises(Rejected, match=bad.name):
            bind_m4b([("One", bad)], TAGS, None, tmp_path / "book.m4b")
    assert {*os.listdir(tmp_path)} == there


def test_a_book_without_chapters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="no chapter"):
        bind_m4b([], TAGS, None, tmp_path / "book.m4b")
