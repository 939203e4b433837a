"""A long book is split so that no chapter is lost, no part is too long, and names say what is inside."""

from hypothesis import given
from hypothesis import strategies as st

from farm.audio.parts import LONGEST_S, Part, split_parts

HOUR = 3600.0


def chapters(*runs: tuple[str, int, float]) -> list[tuple[str, str, float]]:
    """(volume, number of chapters, hours of each)"""
    return [(f"{volume}{n}", volume, hours * HOUR) for volume, count, hours in runs for n in range(count)]


def test_a_book_that_fits_is_one_part_whatever_its_volumes() -> None:
    assert split_parts("三体", chapters(("第一卷", 3, 1), ("第二卷", 3, 1))) == [
        Part("三体", (0, 1, 2, 3, 4, 5))
    ]


def test_a_long_book_without_volumes_is_cut_in_parts_of_like_length() -> None:
    parts = split_parts("Moby Dick", chapters(("", 30, 1)))
    assert [part.name for part in parts] == [f"Moby Dick, Part {n} of 3" for n in (1, 2, 3)]
    assert [len(part.indices) for part in parts] == [10, 10, 10]


def test_volumes_name_their_parts() -> None:
    parts = split_parts("三体", chapters(("地球往事", 8, 1), ("黑暗森林", 9, 1), ("死神永生", 10, 1)))
    assert [part.name for part in parts] == ["三体, 地球往事", "三体, 黑暗森林", "三体, 死神永生"]


def test_short_volumes_share_a_part() -> None:
    parts = split_parts("War", chapters(("I", 4, 1), ("II", 5, 1), ("III", 6, 1), ("IV", 3, 1)))
    assert [part.name for part in parts] == ["War, I – II", "War, III – IV"]


def test_a_volume_too_long_for_one_part_is_numbered() -> None:
    parts = split_parts("书", chapters(("上卷", 20, 1), ("下卷", 5, 1)), numbered="{name}·{number}/{count}")
    assert [part.name for part in parts] == ["书, 上卷·1/2", "书, 上卷·2/2", "书, 下卷"]


def test_what_stands_outside_the_volumes_stays_with_its_neighbours() -> None:
    parts = split_parts("书", chapters(("", 1, 0.5), ("上", 8, 1), ("", 1, 0.5), ("下", 8, 1), ("", 1, 0.5)))
    assert [(part.name, len(part.indices)) for part in parts] == [("书, 上", 10), ("书, 下", 9)]


def test_a_chapter_longer_than_a_part_stands_alone() -> None:
    parts = split_parts("书", chapters(("", 1, 1), ("", 1, 15), ("", 1, 1)))
    assert [part.indices for part in parts] == [(0,), (1,), (2,)]


def test_no_chapters_no_parts() -> None:
    assert split_parts("书", []) == []


@given(
    st.lists(st.tuples(st.sampled_from(["", "上", "中", "下"]), st.floats(0, 5 * HOUR)), max_size=60),
    st.floats(HOUR, 20 * HOUR),
)
def test_every_chapter_is_in_one_part_in_order_and_no_part_is_too_long(
    book: list[tuple[str, float]], longest_s: float
) -> None:
    parts = split_parts("书", [("x", volume, duration) for volume, duration in book], longest_s)
    assert [index for part in parts for index in part.indices] == list(range(len(book)))
    for part in parts:
        length = sum(book[index][1] for index in part.indices)
        assert length <= longest_s + 1e-6 or len(part.indices) == 1


def test_parts_are_as_few_as_can_be() -> None:
    assert len(split_parts("书", chapters(("", 1000, 0.1)))) == -(-100 * HOUR // LONGEST_S)
