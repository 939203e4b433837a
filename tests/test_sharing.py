from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.sharing import Claim, spoken_in

BOTH = frozenset({1, 2})


def test_a_project_alone_has_all_who_can_serve_it() -> None:
    assert spoken_in([Claim(7, 300.0, BOTH)], {1: 1.0, 2: 2.0, 3: 50.0}) == {7: pytest.approx(100.0)}


def test_equals_share_until_the_shorter_is_done() -> None:
    ends = spoken_in([Claim(1, 100.0, BOTH), Claim(2, 300.0, BOTH)], {1: 5.0, 2: 5.0})
    assert ends == {1: pytest.approx(20.0), 2: pytest.approx(40.0)}


def test_shares_are_by_weight() -> None:
    ends = spoken_in([Claim(1, 300.0, BOTH, weight=3.0), Claim(2, 100.0, BOTH)], {1: 5.0, 2: 5.0})
    assert ends == {1: pytest.approx(40.0), 2: pytest.approx(40.0)}


def test_a_higher_priority_goes_first() -> None:
    ends = spoken_in([Claim(1, 100.0, BOTH), Claim(2, 100.0, BOTH, priority=80)], {1: 5.0, 2: 5.0})
    assert ends == {2: pytest.approx(10.0), 1: pytest.approx(20.0)}


def test_a_worker_that_the_first_may_not_use_serves_the_second() -> None:
    ends = spoken_in([Claim(1, 100.0, frozenset({1}), priority=80), Claim(2, 100.0, BOTH)], {1: 10.0, 2: 5.0})
    assert ends[1] == pytest.approx(10.0)
    assert ends[2] == pytest.approx(10.0 + 50.0 / 15.0)


def test_a_limit_of_workers_leaves_the_others_to_the_rest() -> None:
    claims = [Claim(1, 100.0, BOTH, priority=80, most_workers=1), Claim(2, 100.0, BOTH)]
    assert spoken_in(claims, {1: 10.0, 2: 10.0}) == {1: pytest.approx(10.0), 2: pytest.approx(10.0)}


def test_nobody_is_promised_what_no_worker_can_speak() -> None:
    assert spoken_in([Claim(1, 100.0, frozenset()), Claim(2, 100.0, frozenset({1}))], {1: 0.0}) == {}


claims = st.builds(
    Claim,
    project=st.just(0),
    audio_s=st.floats(0, 1e6),
    crew=st.frozensets(st.integers(0, 4), max_size=5),
    priority=st.integers(0, 2),
    weight=st.floats(0.1, 10),
    most_workers=st.none() | st.integers(1, 3),
)


@given(st.lists(claims, max_size=8), st.lists(st.floats(0.1, 100), min_size=5, max_size=5))
def test_no_forecast_is_faster_than_the_workers_are(found: list[Claim], measured: list[float]) -> None:
    speeds = dict(enumerate(measured))
    named = [replace(claim, project=at) for at, claim in enumerate(found)]
    ends = spoken_in(named, speeds)
    assert set(ends) == {claim.project for claim in named if claim.crew}
    for claim in named:
        if claim.crew:
            alone_s = claim.audio_s / sum(speeds[worker] for worker in claim.crew)
            assert ends[claim.project] >= alone_s * (1 - 1e-6) - 1e-6
    if ends:
        served = [claim for claim in named if claim.crew]
        everyone = sum(speeds[worker] for worker in frozenset().union(*(claim.crew for claim in served)))
        assert max(ends.values()) >= sum(claim.audio_s for claim in served) / everyone * (1 - 1e-6) - 1e-6
