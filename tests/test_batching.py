from farm.batching import COMPANY, MOST_SEGMENTS, Waiting, cut, expected_seconds, target_seconds


def waiting(count: int, length: float = 10.0, attempts: int = 0) -> list[Waiting]:
    return [Waiting(at, f"key{at}", length, attempts) for at in range(count)]


def test_a_batch_is_worth_the_time_it_is_cut_for() -> None:
    batch = cut(waiting(100), target_s=expected_seconds(10) * 12.5)
    assert [segment.id for segment in batch] == list(range(12))


def test_a_segment_longer_than_the_target_travels_all_the_same() -> None:
    assert len(cut(waiting(3, length=1000), target_s=1)) == 1


def test_a_batch_is_bounded_however_fast_the_card_is() -> None:
    assert len(cut(waiting(2000), target_s=1e9)) == MOST_SEGMENTS


def test_a_recipe_that_comes_twice_is_spoken_once() -> None:
    twins = [Waiting(1, "same", 10), Waiting(2, "same", 10), Waiting(3, "other", 10)]
    assert [segment.id for segment in cut(twins, 1e9)] == [1, 3]


def test_suspects_travel_in_ever_smaller_company_and_alone_at_last() -> None:
    for attempts, most in enumerate(COMPANY):
        assert len(cut(waiting(1000, attempts=attempts), 1e9)) == most


def test_a_suspect_does_not_join_a_batch_that_is_too_large_for_it() -> None:
    assert [s.id for s in cut([*waiting(5), Waiting(9, "suspect", 10, attempts=3)], 1e9)] == [0, 1, 2, 3, 4]


def test_an_unmeasured_worker_gets_little() -> None:
    assert target_seconds(30, None) < target_seconds(30, 5.7)


def test_nothing_to_do_is_an_empty_batch() -> None:
    assert cut([], 30) == []
