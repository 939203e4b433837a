import json
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.indextts2.segments import APOSTROPHES, split
from tests.indextts2 import truth

CASES: list[dict[str, Any]] = json.loads(truth.path("segmentation.json").read_text())
SIGNS = [".", "!", "?", "▁.", "▁?", "▁...", ",", "▁,", "-", "'", "▁'"]
pieces = st.lists(st.sampled_from(["▁a", "▁b", "c", *SIGNS]), max_size=120)


def joined(segments: list[list[str]]) -> list[str]:
    return list(chain.from_iterable(segments))


@pytest.mark.parametrize("case", CASES)
def test_pieces_are_cut_where_the_reference_cuts_them(case: dict[str, Any]) -> None:
    assert split(case["tokens"], case["max"], case["quick"], replay=True) == case["out"]


def test_the_reference_says_some_apostrophes_twice_and_we_do_not() -> None:
    doubled = [case for case in CASES if joined(case["out"]) != case["tokens"]]
    assert doubled
    for case in doubled:
        assert joined(split(case["tokens"], case["max"], case["quick"])) == case["tokens"]


@given(pieces, st.integers(1, 130), st.integers(0, 60))
def test_segments_joined_are_the_text_and_none_is_too_long(pieces: list[str], most: int, quick: int) -> None:
    segments = split(pieces, most, quick)
    assert joined(segments) == pieces
    assert all(0 < len(segment) <= most for segment in segments)


@given(pieces, st.integers(1, 130), st.integers(0, 60))
def test_replayed_only_apostrophes_come_twice(pieces: list[str], most: int, quick: int) -> None:
    said = iter(joined(split(pieces, most, quick, replay=True)))
    for piece in pieces:
        assert next(heard for heard in said if heard == piece or heard not in APOSTROPHES) == piece
    assert set(said) <= set(APOSTROPHES)


def test_the_first_pieces_are_not_merged_so_that_sound_comes_early() -> None:
    sentences = ["▁I", "▁AM", "▁HE", "."] * 3
    assert [len(segment) for segment in split(sentences, 7)] == [4, 4, 4]
    assert [len(segment) for segment in split(sentences, 12)] == [12]
    assert [len(segment) for segment in split(sentences, 12, quick=8)] == [4, 8]


def test_a_segment_holds_at_least_one_piece() -> None:
    with pytest.raises(ValueError, match="at least one"):
        split(["▁a"], 0)
