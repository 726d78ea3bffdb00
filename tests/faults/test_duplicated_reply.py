from math import sqrt

import pytest

from fedrobust.faults.duplicated_reply import DuplicatedReply


def test_replies_come_twice_with_the_probability(played, befallen):
    rounds = played(DuplicatedReply(probability=0.2), 20, 200)

    twice = befallen(rounds).total()

    assert abs(twice / 4000 - 0.2) < 5 * sqrt(0.2 * 0.8 / 4000)
    assert {fate for out in rounds.values() for fate in out.fates.values()} == {
        ("arrived twice", 2, None)
    }


def test_it_happens_to_some_clients_only(played, befallen):
    twice = befallen(played(DuplicatedReply(probability=1, share=0.5), 200, 5))

    assert 70 < len(twice) < 130
    assert set(twice.values()) == {5}


@pytest.mark.parametrize("wrong", [{"probability": 2}, {"share": 0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DuplicatedReply(**wrong)
