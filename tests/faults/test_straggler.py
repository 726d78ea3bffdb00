"""How long replies take, and what becomes of those that are late."""

from math import inf, log, sqrt

import numpy as np
import pytest
import torch

from fedrobust.core.mishap import Transit
from fedrobust.faults.straggler import Straggler

STEADY = {"spread": 0.0, "slow_share": 0.0}  # every reply takes the median


def logarithms(outcomes, clients):
    return np.array([[log(out.seconds[c]) for out in outcomes.values()] for c in range(clients)])


def test_half_of_the_replies_take_the_median_and_their_logarithms_are_normal(played):
    found = logarithms(played(Straggler(median=3, spread=0.4, slow_share=0), 50, 200), 50)

    assert abs(found.mean() - log(3)) < 5 * 0.4 / sqrt(found.size)
    assert abs(found.std() - 0.4) < 5 * 0.4 / sqrt(2 * found.size)
    standard = (found - log(3)) / 0.4
    assert abs((standard**3).mean()) < 5 * sqrt(15 / found.size)
    assert abs((standard**4).mean() - 3) < 5 * sqrt(96 / found.size)


def test_clients_differ_by_their_medians(played):
    outcomes = played(Straggler(spread=0.1, variety=0.7, slow_share=0), 1000, 10)

    own = logarithms(outcomes, 1000).mean(axis=1)

    assert abs(own.std() - 0.7) < 5 * 0.7 / sqrt(2 * 1000)
    assert abs(logarithms(outcomes, 1000).std(axis=1).mean() - 0.1) < 0.01


def test_slow_clients_take_longer_all_through_the_run(played):
    outcomes = played(Straggler(spread=0, slow_share=0.25, slow_factor=8), 400, 3)

    taken = [{out.seconds[c] for out in outcomes.values()} for c in range(400)]

    assert all(len(seconds) == 1 for seconds in taken)
    slow = sum(seconds == {8.0} for seconds in taken)
    assert slow + sum(seconds == {1.0} for seconds in taken) == 400
    assert abs(slow / 400 - 0.25) < 5 * sqrt(0.25 * 0.75 / 400)


def test_without_a_deadline_only_time_passes(played):
    outcomes = played(Straggler())

    assert all(
        not out.fates and not out.state and len(out.seconds) == 20 for out in outcomes.values()
    )
    assert Straggler().patience == inf


def test_what_is_later_than_the_deadline_is_missing(played):
    free, limited = played(Straggler()), played(Straggler(deadline=1.5))

    for round, out in limited.items():
        late = {c: took for c, took in free[round].seconds.items() if took > 1.5}
        assert out.fates.keys() == late.keys()
        assert out.seconds == {c: t for c, t in free[round].seconds.items() if t <= 1.5}
        for client, fate in out.fates.items():
            says = f"{late[client]:.3g} s, later than the deadline of 1.5 s"
            assert fate == (says, 0, None)
    assert Straggler(deadline=1.5).patience == 1.5
    assert any(out.fates for out in limited.values())


def test_a_late_reply_stands_in_for_a_later_one_and_counts_for_less(played):
    """Worked by hand: 2.5 s, when a round lasts 1 s, are two rounds late and 0.5 s into a third."""
    outcomes = played(Straggler(median=2.5, **STEADY, deadline=1.0, stale=3), 1, 7)

    fates = {round: out.fates[0] for round, out in outcomes.items()}
    assert [fates[r].reason for r in (1, 2, 3)] == [
        "2.5 s, later than the deadline of 1 s",
        "still at work for round 1",
        "the late reply of round 1",
    ]
    assert [fates[r].copies for r in range(1, 8)] == [0, 0, 1, 0, 0, 1, 0]
    torch.testing.assert_close(fates[3].update, torch.full((3,), 100.0) / sqrt(3))
    torch.testing.assert_close(fates[6].update, torch.full((3,), 400.0) / sqrt(3))
    assert [out.seconds.get(0) for out in outcomes.values()] == [
        None,
        None,
        0.5,
        None,
        None,
        0.5,
        None,
    ]


def test_a_late_reply_waits_until_its_client_is_asked_again(played):
    """Worked by hand: it was there after half a round; age 3 halves it."""
    mishap = Straggler(median=1.5, **STEADY, deadline=1.0, stale=3)

    outcomes = played(mishap, lambda round: [6] if round in (2, 5) else [], 6)

    assert outcomes[5].fates[6].reason == "the late reply of round 2"
    torch.testing.assert_close(outcomes[5].fates[6].update, torch.full((3,), 206.0) / 2)
    assert outcomes[5].seconds == {6: 0.0}
    assert outcomes[5].state == {}


def test_what_is_too_old_is_forgotten(played):
    mishap = Straggler(median=1.5, **STEADY, deadline=1.0, stale=2)

    outcomes = played(mishap, lambda round: [6] if round in (2, 5) else [], 6)

    assert outcomes[4].state.keys() == {6}
    assert outcomes[5].fates[6].reason == "1.5 s, later than the deadline of 1 s"
    assert outcomes[5].state[6]["round"] == 5


def test_a_client_that_would_be_too_late_gives_up_and_starts_afresh(played):
    outcomes = played(Straggler(median=3.5, **STEADY, deadline=1.0, stale=2), 1, 4)

    assert {out.fates[0].reason for out in outcomes.values()} == {
        "3.5 s, later than the deadline of 1 s"
    }
    assert all(out.state == {} for out in outcomes.values())


def test_what_waits_is_a_copy():
    update = torch.ones(3)

    out = Straggler(median=2, **STEADY, deadline=1.0, stale=2).befall(
        Transit(1, {0: update}, 0), {}
    )
    update.zero_()

    assert out.state[0]["update"].tolist() == [1, 1, 1]


def test_a_late_reply_needs_a_deadline():
    with pytest.raises(ValueError, match=r"stale = 2 needs a deadline .* set deadline, such as 2"):
        Straggler(stale=2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"median": 0},
        {"spread": -1},
        {"variety": 11},
        {"slow_share": 2},
        {"slow_factor": 0.5},
        {"deadline": 0},
        {"stale": -1},
    ],
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Straggler(**wrong)
