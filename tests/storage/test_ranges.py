import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.storage.ranges import UnsatisfiableRange, serve_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-499", (0, 500)),
        ("bytes=500-999", (500, 1000)),
        ("bytes=500-", (500, 1000)),
        ("bytes=-500", (500, 1000)),
        ("bytes=0-0", (0, 1)),
        ("bytes=-1", (999, 1000)),
        ("bytes=999-", (999, 1000)),
        ("bytes=0-5000", (0, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("BYTES=1-2", (1, 3)),
        (" bytes= 1-2 ", (1, 3)),
        ("bytes=0-" + "9" * 5000, (0, 1000)),
        ("bytes=000000000000000000000001-2", (1, 3)),
    ],
)
def test_one_range_is_served(header: str, expected: tuple[int, int]) -> None:
    assert serve_range(header, 1000) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=1-2,5-6",
        "items=0-5",
        "bytes 0-5",
        "bytes=+1-2",
        "bytes=1_0-20",
        "bytes=１-２",
        "bytes=0x1-2",
        "bytes=1--2",
        "bytes=0-1-2",
    ],
)
def test_what_is_no_single_range_of_bytes_is_ignored(header: str | None) -> None:
    assert serve_range(header, 1000) is None


@pytest.mark.parametrize(
    "header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=" + "9" * 5000 + "-"]
)
def test_a_range_without_a_byte_in_it_is_refused(header: str) -> None:
    with pytest.raises(UnsatisfiableRange, match="1000 bytes") as raised:
        serve_range(header, 1000)
    assert raised.value.status == 416


def test_nothing_has_no_first_byte_and_an_empty_end() -> None:
    with pytest.raises(UnsatisfiableRange):
        serve_range("bytes=0-", 0)
    assert serve_range("bytes=-5", 0) is None


@given(
    st.text(max_size=40) | st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True), st.integers(0, 2000)
)
def test_any_header_gives_bytes_of_the_object_or_the_refusal(header: str, size: int) -> None:
    try:
        some = serve_range(header, size)
    except UnsatisfiableRange:
        return
    assert some is None or 0 <= some[0] < some[1] <= size
