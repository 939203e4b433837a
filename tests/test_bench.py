"""Each bench in a tiny form, so that it cannot rot; what it measures here means nothing."""

from collections.abc import Callable

import pytest

from models.bench.figures import Figure
from tests.bench.__main__ import BENCHES
from tests.bench.options import Options

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Options:
    book = tmp_path_factory.mktemp("bench") / "book.txt"
    told = [f"In year {n} the keeper counted {n * 7} ships and went to sleep." for n in range(40)]
    book.write_text("\n\n".join(["Chapter 1", *told[:20], "Chapter 2", *told[20:]]))
    return Options(
        book=book, speed=100.0, hours=0.02, segments=400, ready=6000, rows=2000, workers=8, seconds=20.0
    )


@pytest.mark.parametrize("name", list(BENCHES))
def test_the_bench_measures_what_it_says(name: str, tiny: Options) -> None:
    bench: Callable[[Options], list[Figure]] = BENCHES[name]
    figures = bench(tiny)
    assert any(figure.holds is not None for figure in figures), "no figure has a bar"
    assert all(figure.value >= 0 for figure in figures if figure.unit != "CPU-s/h")
    assert all(figure.to_json()["name"] for figure in figures)


def test_a_bar_is_held_or_missed_from_both_sides() -> None:
    assert Figure("speed", 500, "/s", least=500).holds
    assert Figure("wait", 21, "ms", most=20).holds is False
    assert Figure("told", 1, "s").holds is None
