"""A course: one lesson a file, in the order a person would choose, nothing left out unsaid."""

import io
import random
import zipfile
from pathlib import Path

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.errors import BadManuscript
from farm.manuscript.course import natural_order, read_course
from farm.manuscript.parts import Manuscript
from tests.manuscript.making import page, write_epub, write_zip

WORDS = "今天我们来讲这个问题，请大家先看一看。"


def write(folder: Path, files: dict[str, str | bytes]) -> list[tuple[Path, str]]:
    made = []
    for number, (name, content) in enumerate(files.items()):
        path = folder / str(number)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        made.append((path, name))
    return made


def course_of(files: list[tuple[Path, str]]) -> Manuscript:
    course = read_course(files)
    assert course.accounted
    return course


def document(*paragraphs: str, heading: str = "") -> bytes:
    made = docx.Document()
    if heading:
        made.add_heading(heading, 1)
    for paragraph in paragraphs:
        made.add_paragraph(paragraph)
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "ordered",
    [
        ["第01讲_起步", "第2讲 变量", "第十讲 类", "第十一讲 继承", "第20讲 结语"],
        ["01_intro.txt", "02_more.txt", "10_end.txt"],
        ["lesson 2.md", "Lesson 10.md", "lesson 11.md"],
        ["一、开始", "二、继续", "十、结束"],
        ["module 1/2.txt", "module 1/10.txt", "module 2/1.txt", "module 10/1.txt"],
    ],
)
def test_lessons_are_in_natural_order(ordered: list[str]) -> None:
    shuffled = random.Random(1).sample(ordered, len(ordered))
    assert sorted(shuffled, key=natural_order) == ordered


@given(st.lists(st.text(max_size=8), max_size=6))
def test_any_names_can_be_ordered(names: list[str]) -> None:
    assert len(sorted(names, key=natural_order)) == len(names)


def test_each_file_is_a_lesson_named_by_its_heading_or_its_file(tmp_path: Path) -> None:
    epub = write_epub(
        tmp_path / "b.epub", {"a.xhtml": page("<h1>Injection</h1><p>In a book.</p>")}
    ).read_bytes()
    course = course_of(
        write(
            tmp_path,
            {
                "第10讲_总结.txt": WORDS,
                "03_注入.docx": document(WORDS, heading="第三讲 SQL 注入"),
                "第2讲_变量.txt": f"第二讲 变量与类型\n{WORDS}",
                "01_开始.md": f"# 开始\n\n{WORDS}\n",
                "04_epub.epub": epub,
            },
        )
    )
    assert [(c.title, c.text) for c in course.chapters] == [
        ("开始", WORDS),
        ("第二讲 变量与类型", WORDS),
        ("第三讲 SQL 注入", WORDS),
        ("Injection", "In a book."),
        ("第10讲 总结", WORDS),
    ]


def test_a_file_of_several_chapters_is_one_lesson(tmp_path: Path) -> None:
    text = "\n".join(f"第{n}节 小题\n{WORDS * 20}" for n in "一二三")
    [lesson] = course_of(write(tmp_path, {"01_长课.txt": text})).chapters
    assert lesson.title == "长课"
    assert [line for line in lesson.text.split("\n") if "小题" in line] == [
        "第一节 小题",
        "第二节 小题",
        "第三节 小题",
    ]


def test_a_zip_is_unpacked_and_what_is_no_lesson_is_named(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "course.zip",
        {
            "安全课/第2讲 注入.txt": WORDS,
            "安全课/第1讲 概论.txt": WORDS,
            "安全课/slides.png": b"\x89PNG",
            "安全课/第3讲 空.txt": "",
            "安全课/.hidden.txt": "x",
            "__MACOSX/安全课/._第1讲 概论.txt": "x",
        },
    )
    course = course_of([(path, "course.zip")])
    assert course.title == "安全课"
    assert [(c.volume, c.title) for c in course.chapters] == [("", "第1讲 概论"), ("", "第2讲 注入")]
    said = [str(oddity) for oddity in course.oddities]
    assert any("slides.png" in line for line in said)
    assert any("第3讲 空.txt" in line and "empty" in line for line in said)
    assert not any("hidden" in line or "MACOSX" in line for line in said)


def test_folders_are_modules(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "c.zip", {"01_Basics/1.txt": "One.", "02_More/1.txt": "Two."})
    assert [c.volume for c in course_of([(path, "c.zip")]).chapters] == ["Basics", "More"]


def test_chinese_names_in_a_zip_made_by_windows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.zip"
    names = {"xxxxx.txt": "第1讲".encode("gbk"), "yyyyyy.txt": "第十讲".encode("gbk")}
    content = write_zip(path, dict.fromkeys(names, WORDS)).read_bytes()
    for written, raw in names.items():
        content = content.replace(written.encode(), raw.ljust(len(written) - 4, b"_") + b".txt")
    path.write_bytes(content)
    assert [c.title for c in course_of([(path, "c.zip")]).chapters] == ["第1讲", "第十讲"]


def test_a_course_without_a_lesson_is_refused(tmp_path: Path) -> None:
    pictures = write_zip(tmp_path / "c.zip", {"a.png": b"\x89PNG", "b.png": b"\x89PNG"})
    with pytest.raises(BadManuscript, match="None of the 2 files"):
        read_course([(pictures, "c.zip")])
    with pytest.raises(BadManuscript, match="PDF"):
        read_course(write(tmp_path, {"a.pdf": b"%PDF-1.4"}))


def test_an_archive_inside_an_archive_is_not_opened(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", {"x.txt": "x"}).read_bytes()
    path = write_zip(tmp_path / "c.zip", {"1.txt": "One.", "2.zip": inner, "3.txt": inner})
    course = course_of([(path, "c.zip")])
    assert [c.text for c in course.chapters] == ["One."]
    assert sum("left out" in str(oddity) for oddity in course.oddities) == 2


def test_a_hostile_archive_is_refused_whole(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "c.zip", {"1.txt": "One.", "../2.txt": "Two."})
    with pytest.raises(BadManuscript, match="outside the archive"):
        read_course([(path, "c.zip")])


def test_a_bomb_in_a_lesson_is_left_out_and_named(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("word/document.xml", b" " * (70 << 20))
    path = write_zip(tmp_path / "c.zip", {"1.txt": "One.", "2.docx": stream.getvalue()})
    course = course_of([(path, "c.zip")])
    assert len(course.chapters) == 1
    assert any("70 MB" in str(oddity) for oddity in course.oddities)


def test_what_is_not_read_aloud_in_a_lesson_is_listed(tmp_path: Path) -> None:
    pages = {"r.xhtml": page("<h1>Copyright</h1><p>Ours.</p>"), "a.xhtml": page("<h1>One</h1><p>Text.</p>")}
    course = course_of([(write_epub(tmp_path / "1.epub", pages), "1.epub")])
    assert [c.text for c in course.chapters] == ["Text."]
    assert [str(part.reason) for part in course.removed] == ["Parts of lessons that are not read aloud"]
