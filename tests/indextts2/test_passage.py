import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from farm.engine import Utterance, VoicePrint
from models.indextts2.passage import PAUSE_S, Part, Passage, derived

RATE = 1000
PIECES = st.lists(st.sampled_from(["▁天", "气", ",", "▁.", "'", "▁A", "!"]), min_size=1, max_size=40)


def passage(parts: int, seed: int = 5) -> Passage:
    return Passage(Utterance("天气", "zh", VoicePrint("a"), seed=seed), parts)


@given(PIECES)
def test_halves_have_all_pieces_in_their_order_and_end_in_single_ones(pieces: list[str]) -> None:
    waiting = [Part(0, tuple(pieces))]
    whole: dict[tuple[int, ...], str] = {}
    while waiting:
        part = waiting.pop()
        halves = part.halves()
        assert [piece for half in halves for piece in half.pieces] == list(part.pieces)
        if len(part.pieces) == 1:
            whole[part.place] = part.pieces[0]
        else:
            assert all(len(half.pieces) < len(part.pieces) for half in halves)
            waiting += halves
    assert [whole[place] for place in sorted(whole)] == pieces


def test_a_first_try_of_the_whole_has_the_utterances_own_seed_and_no_other_has() -> None:
    part = Part(0, ("▁天", "气"))
    seeds = [part.seed(5), part.again().seed(5), part.again().again().seed(5)]
    seeds += [half.seed(5) for half in part.halves()]
    seeds += [half.again().seed(5) for half in part.halves()]
    assert seeds[0] == 5
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derived(5, 1) != derived(6, 1)


def test_parts_are_joined_in_order_with_a_pause_where_a_sentence_ends() -> None:
    first, second, third = (Part(0, (text, end), (n,)) for n, (text, end) in enumerate(["a.", "b,", "c."]))
    spoken = passage(parts=3)
    for part, level in ((third, 3), (first, 1), (second, 2)):
        assert not spoken.is_whole
        spoken.put(part, np.full(4, level, np.float32))
    assert spoken.is_whole
    samples = spoken.speech(RATE).audio.samples
    pause = round(PAUSE_S * RATE)
    assert samples.tolist() == [1.0] * 4 + [0.0] * pause + [2.0] * 4 + [3.0] * 4


def test_a_part_that_is_cut_is_waited_for_in_all_its_pieces() -> None:
    spoken = passage(parts=1)
    halves = Part(0, ("▁天", "气")).halves()
    spoken.cut(len(halves))
    spoken.put(halves[0], np.ones(2, np.float32))
    assert not spoken.is_whole
    spoken.put(halves[1], np.ones(2, np.float32))
    assert spoken.is_whole


def test_speech_says_which_seed_it_was_spoken_with() -> None:
    again = Part(0, ("天",)).again()
    spoken = passage(parts=1, seed=9)
    spoken.put(again, np.ones(2, np.float32))
    assert spoken.speech(RATE).seed == again.seed(9) != 9
